"""Epochs that end together, so that no source waits for another.

Bytewax gives each source partition epochs of its own: one ends when the partition is woken after the interval, and in
the next nothing is read before that epoch has ended everywhere and is durable. The next interval counts from the end:
a partition that was late once is late for good, and those that are a little later each time leave the others behind,
until these read once an interval. (Bytewax's pull request 556 has the same between workers.) So a partition that rests
is woken at the end of its epoch, and one that was early ends the next epoch later by so much.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from math import inf

_SOON = 0.002
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
_LONGEST_SLEEP = 0.25
_SHARE = 0.2


class Process:
    """What the sources of a process know of each other: when one of them ended an epoch last, in epoch seconds."""

    def __init__(self) -> None:
        self.ended = 0.0


_process = Process()


class Pause:
    """A span of time in which no partition of a source is woken: each would end the epochs of all that are due."""

    def __init__(self) -> None:
        self._begin = self._end = inf

    def plan(self, begin: float, end: float) -> None:
        """Wake nobody from `begin` (epoch seconds) until `end`, instead of what was planned before."""
        self._begin, self._end = begin, end

    def covers(self, at: float) -> float | None:
        """The end of the pause, if `at` is in it."""
        return self._end if self._begin <= at < self._end else None


class Epochs:
    """When a source partition is woken. It tells when it is read, and when its epochs end.

    Args:
        pause: that of its source.
        process: shared by all sources.
        clock: epoch seconds.
    """

    def __init__(self, pause: Pause, process: Process = _process, clock: Callable[[], float] = time.time) -> None:
        self._pause, self._process, self._clock = pause, process, clock
        self._interval = inf  # the shortest epoch so far: others are longer, for the partition was late or had to wait
        self._began: float | None = None  # when the epoch before ended
        self._end = inf
        self._is_first = False
        self._awake = self._read = 0.0
        self._turn = 0.0  # from one reading to the next
        self._slept = 0.0
        self._waits: deque[float] = deque([0.0], maxlen=4)

    def reading(self) -> None:
        """The partition is read now."""
        now = self._clock()
        self._turn, self._read = now - self._read, now
        if self._is_first and self._began is not None:
            self._is_first = False
            self._turn = 0.0
            early = self._process.ended - self._began
            # If it was awake before, it had to wait for what began when the last one ended the epoch before.
            waited = now - self._process.ended if now - self._awake > _SOON else 0.0
            self._waits.append(waited or self._slept / 2)
            # How much of it was for other processes to end theirs cannot be seen. If all processes make up for a share,
            # they come to the same time: those that waited longer make up for more.
            pause = min(early + _SHARE * waited, _LONGEST_PAUSE)
            if pause > _SHORTEST_PAUSE:
                self._pause.plan(self._end, self._end + pause)

    def ended(self) -> None:
        """An epoch ends now: Bytewax asks for a snapshot."""
        now = self._process.ended = self._clock()
        if self._began is not None:
            self._interval = min(self._interval, now - self._began)
        self._began, self._end, self._is_first = now, now + self._interval, True

    def wake(self, rest: float) -> datetime:
        """When to wake the partition, that wants to rest for so many seconds; 0: to go on at once."""
        now = self._clock()
        at = now + rest
        if now >= self._end:
            # The epoch ends now. Whether the next one may be read Bytewax asks again and again, without a rest, which
            # takes a whole CPU.
            self._slept = min(0.9 * min(self._waits), _LONGEST_SLEEP)
            at = now + max(min(rest, _SOON), self._slept)
        elif at > self._end:
            at = self._end
        end_of_pause = self._pause.covers(at if rest else at + self._turn)
        self._awake = at if end_of_pause is None else end_of_pause
        return datetime.fromtimestamp(self._awake, timezone.utc)
