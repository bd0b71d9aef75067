"""A limit on failures: where too many records fail, it is not the records that are wrong."""

import logging
from collections import Counter, deque
from collections.abc import Sequence
from threading import Lock

log = logging.getLogger(__name__)

WINDOW = 10_000
_EXAMPLE_CHARACTERS = 500
_UNJUDGED = 1000


class TooManyFailures(RuntimeError):
    """More records failed than the limit allows; the message is one line with the commonest error and an example."""


class FailureLimit:
    """Counts what passed and what failed, in order, and raises once too much failed.

    Args:
        max_share: The share of the last ``window`` records that may fail; 1: all may. It is judged once there are
            ``window`` records.
        max_in_a_row: How many records in a row may fail.
        window: How many of the last records are judged by their share.
    """

    def __init__(self, max_share: float, max_in_a_row: int, window: int = WINDOW) -> None:
        self._max_share, self._max_in_a_row, self._window = max_share, max_in_a_row, window
        # The last records by what became of them: (kind of failure, or None, and how many in a row).
        self._runs: deque[tuple[str | None, int]] = deque()
        self._records = 0
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._in_a_row = 0
        self._passes: deque[int] = deque()  # not among the last records yet
        self._lock = Lock()

    def passed(self, count: int) -> None:
        """Count records that passed, after all that were counted before."""
        if count > 0:
            self._passes.append(count)  # needs no lock: batches pass all the time, and seldom is one of them judged
            if len(self._passes) >= _UNJUDGED:
                with self._lock:
                    self._add_passes()

    def failed(self, errors: Sequence[tuple[str, str]]) -> None:
        """Records failed, one after the other: their kinds and reasons.

        Raises:
            TooManyFailures: too many have by now.
        """
        with self._lock:
            self._add_passes()
            for kind, reason in errors:
                self._examples[kind] = reason
                self._in_a_row += 1
                self._add(kind, 1)
                if self._in_a_row > self._max_in_a_row:
                    raise TooManyFailures(self._explain(f"{self._in_a_row:,} records in a row", "MAX_IN_A_ROW"))
                failed = self._kinds.total() if self._records >= self._window else 0
                if failed > self._max_share * self._window:
                    raise TooManyFailures(self._explain(f"{failed:,} of {self._window:,} records", "MAX_SHARE"))

    def mixed(self, passed: int, errors: Sequence[tuple[str, str]]) -> None:
        """Records passed and failed in an order that is not known: it is taken that they were evenly mixed.

        Raises:
            TooManyFailures: too many failed by now.
        """
        if not errors:
            self.passed(passed)
        for at, error in enumerate(errors):
            self.passed(passed * (at + 1) // len(errors) - passed * at // len(errors))
            self.failed([error])

    def failed_in(self, step: str, kind: str, reason: str) -> None:
        """One record failed in a step of the flow, which the log names: a cluster of Bytewax loses the error's text.

        Raises:
            TooManyFailures: too many have by now.
        """
        try:
            self.failed([(kind, reason)])
        except TooManyFailures as too_many:
            log.error("%s: %s", step, too_many, extra={"event": "too many dead letters"})
            raise

    def _add_passes(self) -> None:
        while self._passes:
            self._in_a_row = 0
            self._add(None, self._passes.popleft())

    def _add(self, kind: str | None, count: int) -> None:
        last = self._runs[-1] if self._runs else None
        if last is not None and last[0] == kind:
            self._runs[-1] = kind, last[1] + count
        else:
            self._runs.append((kind, count))
        self._records += count
        if kind is not None:
            self._kinds[kind] += count
        while self._records > self._window:
            self._forget(self._records - self._window)

    def _forget(self, count: int) -> None:
        """Forget the oldest of the window, ``count`` of them at most."""
        kind, run = self._runs[0]
        count = min(count, run)
        if count == run:
            self._runs.popleft()
        else:
            self._runs[0] = kind, run - count
        self._records -= count
        if kind is not None:
            self._kinds[kind] -= count
            if not self._kinds[kind]:
                del self._kinds[kind], self._examples[kind]

    def _explain(self, how_many: str, setting: str) -> str:
        ((kind, count),) = self._kinds.most_common(1)
        example = " ".join(self._examples[kind].split())[:_EXAMPLE_CHARACTERS]
        return (
            f"{how_many} became dead letters, more than DEAD_LETTERS_{setting} allows; "
            f"the commonest error is {kind} ({count:,}), for example {example}"
        )
