"""Epochs that end together, so that no source waits for another.

Bytewax gives each source partition epochs of its own: one ends when the partition is woken after the interval, and in
the next nothing is read before that epoch has ended everywhere. The next interval counts from there, so a partition
that was late once is late for good, and one that is woken a little later each time leaves the others behind, until they
read once an interval. (Its pull request 556 has the same between workers.) Two things keep them in step:

- A partition that rests is woken at the end of its epoch.
- A partition that had to wait, for it was early, ends an epoch later by so much.
"""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from math import inf

_SOON = 0.002
_EARLY = 0.02
"""Seconds; to have waited less is as good as nothing."""
_LONGEST_PAUSE = 0.5
_EPOCHS = 3
"""That a partition has waited for so many is no accident."""


class Pause:
    """A span of time in which no partition of a source is woken: each would end the epochs of all that are due."""

    def __init__(self) -> None:
        self._span = (inf, inf)

    def plan(self, begin: float, end: float) -> None:
        """Wake nobody from `begin` (epoch seconds) until `end`, instead of what was planned before."""
        self._span = begin, end

    def covers(self, at: float) -> float | None:
        """The end of the pause, if `at` is in it."""
        begin, end = self._span
        return end if begin <= at < end else None


class Epochs:
    """When a source partition is woken. It tells when it is read, and when its epochs end.

    Args:
        pause: that of its source.
        clock: epoch seconds.
    """

    def __init__(self, pause: Pause, clock: Callable[[], float] = time.time) -> None:
        self._pause = pause
        self._clock = clock
        self._interval = inf  # the shortest epoch so far: the last ones are longer when it had to wait
        self._began: float | None = None  # when the epoch before ended
        self._end = inf
        self._opened = True  # whether this epoch was read in
        self._awake = 0.0
        self._read = self._turn = 0.0  # when it was read, and the time between the last two
        self._waits: deque[float] = deque(maxlen=_EPOCHS)
        self._usual: float | None = 0.0  # what all wait for: until the epoch before is durable everywhere
        self._early = 0.0

    def reading(self) -> None:
        """The partition is read now."""
        now = self._clock()
        self._turn, self._read = now - self._read, now
        if not self._opened and self._began is not None:
            self._opened = True
            self._turn = 0.0
            # When it was read as soon as it was awake it has not waited.
            self._waits.append(now - self._began if now - self._awake > _SOON else 0.0)

    def ended(self) -> None:
        """An epoch ends now: Bytewax asks for a snapshot."""
        now = self._clock()
        lasted = now - self._began if self._began is not None else inf
        self._interval = min(self._interval, lasted)
        self._began, self._opened = now, False
        self._end = now + self._interval
        if self._early and lasted > self._interval + self._early / 2:
            self._early, self._usual = 0.0, None
            self._waits.clear()
        if not self._early and len(self._waits) == _EPOCHS:
            least = min(self._waits)
            self._usual = least if self._usual is None else min(self._usual, least)
            if least - self._usual > _EARLY:
                self._early = min(least - self._usual, _LONGEST_PAUSE)
        if self._early:
            self._pause.plan(self._end, self._end + self._early)

    def wake(self, rest: float) -> datetime:
        """When to wake the partition, that wants to rest for so many seconds; 0: to go on at once."""
        now = self._clock()
        at = now + rest
        if now >= self._end:
            # This was the last time in this epoch: it will wait in the next one.
            at = now + max(min(rest, _SOON), 0.8 * min(self._waits, default=0.0))
        elif at > self._end:
            at = self._end
        if (end := self._pause.covers(at if rest else at + self._turn)) is not None:
            at = end
        self._awake = at
        return datetime.fromtimestamp(at, timezone.utc)
