"""Epochs that end together, so that no source waits for another.

Bytewax gives each source partition epochs of its own: one ends when the partition is woken after the interval, and in
the next nothing is read before that epoch has ended everywhere and is durable. The next interval counts from the end:
a partition that was late once is late for good, and those that are a little later each time leave the others behind,
until these read once an interval. (Bytewax's pull request 556 has the same between workers.) So a partition that rests
is woken at the end of its epoch, and one that was early ends the next epoch later by so much.

The first epoch of a source begins when it is built, and to build all may take seconds: a source can be early by an
interval and more. Then it reads once in each epoch, which is over by then, and stays early unless it sleeps for so long
that the others come up with it. All partitions that a source has in a worker end their epochs together.
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
_MARGIN = 0.05
"""So much of a pause it begins sooner: when an epoch ends is known a little too late."""


class Process:
    """What the sources of a process know of each other: when one of them ended an epoch last, in epoch seconds."""

    def __init__(self) -> None:
        self.ended = 0.0


_process = Process()


class Pause:
    """A span of time in which no partition of a source is woken: each would end the epochs of all of them."""

    def __init__(self) -> None:
        self.begin = self.end = 0.0  # epoch seconds
        self.interval = inf  # the source's shortest epoch so far: others are longer, for it was late or had to wait

    def plan(self, begin: float, end: float) -> None:
        """Wake nobody from `begin` until `end` (epoch seconds), instead of what was planned before."""
        self.begin, self.end = begin, end


class Epochs:
    """When a source partition is woken. It tells when it is read, and when its epochs end.

    Args:
        pause: that of its source.
        process: shared by all sources.
        clock: epoch seconds.
    """

    def __init__(self, pause: Pause, process: Process = _process, clock: Callable[[], float] = time.time) -> None:
        self._pause, self._process, self._clock = pause, process, clock
        self._began: float | None = None  # when the epoch before ended
        self._end = inf
        self._is_first = self._is_last = False  # this reading is the first, the last of its epoch
        self._paused = False  # it sleeps until the end of the pause
        self._awake = self._read = 0.0
        self._turn = 0.0  # from one reading to the next
        self._slept = 0.0
        self._waits: deque[float] = deque([0.0], maxlen=4)

    def reading(self) -> None:
        """The partition is read now."""
        now = self._clock()
        self._turn, self._read = now - self._read, now
        self._is_last = False
        if self._is_first and self._began is not None and self._end < inf:
            self._is_first = False
            self._turn = 0.0
            early = self._process.ended - self._began
            # If it was awake before, it had to wait for what began when the last one ended the epoch before.
            waited = now - self._process.ended if now - self._awake > _SOON else 0.0
            self._waits.append(waited or self._slept / 2)
            # How much of it was for other processes to end theirs cannot be seen. If all processes make up for a share,
            # they come to the same time: those that waited longer make up for more.
            pause = min(early + _SHARE * waited, _LONGEST_PAUSE)
            begin = self._end
            if self._paused:
                pause = 0.0  # it came late for this epoch, as it was to
            elif now > begin - _SOON:
                # This reading is the epoch's last, too: it must be late for the next, which others read in an interval.
                self._is_last = True
                begin = now + self._pause.interval
            if pause > _SHORTEST_PAUSE:
                self._pause.plan(begin - _MARGIN * pause, begin + pause)

    def ended(self) -> None:
        """An epoch ends now: Bytewax asks for a snapshot."""
        now = self._process.ended = self._clock()
        if self._began is not None:
            self._pause.interval = min(self._pause.interval, now - self._began)
        self._began, self._end, self._is_first = now, now + self._pause.interval, True

    def wake(self, rest: float) -> datetime:
        """When to wake the partition, that wants to rest for so many seconds; 0: to go on at once."""
        now = self._clock()
        at = now + rest
        if self._is_last or now >= self._end:
            # The epoch ends now. Whether the next one may be read Bytewax asks again and again, without a rest, which
            # takes a whole CPU.
            self._slept = min(0.9 * min(self._waits), _LONGEST_SLEEP)
            at = now + max(min(rest, _SOON), self._slept)
            self._paused = self._is_last and at < self._pause.end
        else:
            at = min(at, self._end)
            self._paused = self._pause.begin <= (at if rest else at + self._turn) < self._pause.end
        self._awake = self._pause.end if self._paused else at
        return datetime.fromtimestamp(self._awake, timezone.utc)
