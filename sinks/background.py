"""What every sink needs that sends in threads: pauses between attempts, a bound on what waits, the first failure."""

import logging
import random
import time
from collections.abc import Callable
from math import inf
from threading import Condition

from prometheus_client import Gauge

log = logging.getLogger(__name__)

_bound = Gauge(
    "sink_buffer_max_bytes", "Bytes that may wait for a destination before the flow is held back", ["destination"]
)

_FIRST_REST, _LONGEST_REST = 0.1, 5.0
_REPORT_SECONDS = 10.0


def back_off(attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds to wait after the ``attempt``-th failure.

    Full jitter: requests that failed together are not sent again together.
    """
    return uniform(0, min(_LONGEST_REST, _FIRST_REST * 2 ** min(attempt, 10)))


class Every:
    """Says when the next line of a log is due: the first one ``after`` some seconds, then one each 10 s."""

    def __init__(self, *, after: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next = clock, clock() + after

    def __call__(self) -> bool:
        """Whether it is due; if so, the next one is due in 10 s."""
        due = self._clock() >= self._next
        if due:
            self._next = self._clock() + _REPORT_SECONDS
        return due


class HeldBack:
    """A wait for room, in the flow's thread: the log says so each 10 s, and ``is_any_held_back`` after as many.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = Every(after=_REPORT_SECONDS, clock=clock)

    def __enter__(self) -> "HeldBack":
        return self

    def __exit__(self, *_: object) -> None:
        _held_back.discard(self)

    def tell(self, why: str, *numbers: object) -> None:
        """The wait goes on, because of this; it is called several times a second."""
        if self._report():
            _held_back.add(self)
            log.warning(f"{why}: the flow is held back", *numbers)


_held_back = set[HeldBack]()


def is_any_held_back() -> bool:
    """Whether a flow of this process waits for room."""
    return bool(_held_back)


class Backlog:
    """What waits for a destination in a process: its bytes, and the first failure of the threads that send it.

    Any thread may call any method. A failure is raised in the flow's thread, by ``check`` and by each wait.
    """

    def __init__(
        self,
        destination: str,
        most: int,
        gauge: Gauge,
        stopping: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing waits.

        Args:
            destination: its name, for the log.
            most: bytes that may wait; at this bound ``wait_for_room`` holds the flow back.
            gauge: shows the bytes.
            stopping: while this holds, ``wait_for_room`` returns: the last snapshot is to be taken.
            clock: seconds.
        """
        self._destination, self._most, self._gauge, self._stopping, self._clock = (
            destination, most, gauge, stopping, clock
        )  # fmt: skip
        _bound.labels(destination).set(most)
        self._changed = Condition()
        self.bytes = 0
        self.failure: Exception | None = None

    def hold(self, size: int) -> None:
        """Count bytes that wait from now on, or, if negative, that wait no longer."""
        with self._changed:
            self.bytes += size
            self._gauge.inc(size)
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Stop the flow; of several errors the first counts."""
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def wait_for_room(self) -> None:
        """Return when less than the most waits, or the flow is to stop; raise a failure."""
        self.wait(lambda: self.bytes < self._most or self._stopping())

    def wait(self, done: Callable[[], bool], seconds: float = inf) -> bool:
        """Return whether it is ``done``, at the latest after ``seconds``; raise a failure."""
        until = self._clock() + seconds
        with self._changed, HeldBack(self._clock) as held_back:
            while self.failure is None and not done() and self._clock() < until:
                self._changed.wait(0.2)
                held_back.tell("%d bytes wait for %s", self.bytes, self._destination)
        self.check()
        return done()
