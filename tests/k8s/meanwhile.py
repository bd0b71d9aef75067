"""Steps that are repeated in the background of a test."""

import threading
from collections.abc import Callable
from types import TracebackType

from typing_extensions import Self

_END_SECONDS = 60.0


class Meanwhile:
    """Repeats each step in a thread of its own until the end of the context, where a step's failure is raised.

    Args:
        steps: each takes seconds at most.
        rest: seconds after each.
    """

    def __init__(self, *steps: Callable[[], None], rest: float = 0.1) -> None:
        self._over, self._rest = threading.Event(), rest
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._repeat, args=(step,), daemon=True) for step in steps]

    def check(self) -> None:
        """Raise what ended a step."""
        for failure in self._failures:
            raise failure

    def _repeat(self, step: Callable[[], None]) -> None:
        try:
            while not self._over.wait(self._rest):
                step()
        except BaseException as failure:
            self._failures.append(failure)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_END_SECONDS)
        if kind is None:
            self.check()
