"""Keeps the epochs of all sources in step, so that no source waits for another.

Bytewax gives each source partition its own epochs. An epoch ends when the partition is woken after the interval. In the
next epoch nothing is read before all partitions have ended the last one and the recovery store has it. The interval
counts from the partition's own end of the last epoch: a partition that ends an epoch late stays late, and all others
wait for it in every epoch. (Bytewax's pull request 556 describes the same between workers.)

All partitions that a source has in a worker end an epoch together, as soon as one of them is woken after the interval.
So one of them is woken exactly then. A source cannot end an epoch earlier; all it can do is end it later, by sleeping.
A source that had to wait sleeps past the end of its next epoch, until the slowest comes to the end of its own.

`docs/decisions/epochs.md` has the alternatives and the numbers; `python -m benchmarks epochs` measures them again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from threading import get_ident
from typing import NamedTuple

from prometheus_client import Gauge

_snapshot = Gauge("source_snapshot_timestamp_seconds", "Time of the last snapshot of the sources, in epoch seconds")

BYTEWAX_DEFAULT = timedelta(seconds=10)
"""The epoch interval of a flow that is started without one."""

SHARE = 0.2
"""The share of its wait by which a source lengthens its next epoch.

The wait consists of the commit, which nobody can avoid, and of the wait for other processes; a source cannot tell
them apart. After n epochs 0.8 ** n of a difference between processes is left: 4 % after 15. In return each epoch is
longer by a fifth of the commit. Swept: it is the smallest share that brings processes into step within 30 epochs; 0.4
doubles what slow commits cost."""
LONGEST = 0.5
"""A source lengthens an epoch by this share of the interval at most: that bounds how long a message waits for a sleep.

Swept: from 0.1 to 1 it makes no difference to how soon sources get in step."""


class Process:
    """What the sources of a process share."""

    def __init__(self) -> None:
        self.ended = 0.0
        """When the last of them ended an epoch, in epoch seconds; 0: none has."""
        self.read: dict[int, float] = {}
        """When each thread that reads them last read one, in epoch seconds."""

    def unread(self) -> float:
        """For how long this thread has read none of them, in seconds; 0: it reads none at all."""
        now = time.time()
        return now - self.read.get(get_ident(), now)


PROCESS = Process()
"""The one that this code runs in."""


class Sleep(NamedTuple):
    """A span in which no partition of a source is woken: a partition that wants to be is woken at its end."""

    begin: float = 0.0
    """Epoch seconds."""
    end: float = 0.0


class Shared:
    """What the partitions share that a source has in a worker."""

    def __init__(self) -> None:
        self.sleep = Sleep()


@dataclass(frozen=True)
class Observed:
    """What is known at the first reading of an epoch. Times are epoch seconds, durations are seconds."""

    now: float
    began: float
    """When the epoch began: at the last reading of the one before."""
    interval: float
    """Bytewax's."""
    early: float
    """How much sooner than the slowest source of the process this one had ended the epoch before."""
    lag: float
    """How late a partition is read: its worker reads other partitions, and handles their messages, in the meantime."""
    slept: float
    """The end of the last sleep."""


def decide(seen: Observed, share: float = SHARE, longest: float = LONGEST) -> Sleep:
    """When the source sleeps next."""
    end = seen.began + seen.interval
    # Sources of a worker are read in turn: their ends cannot be closer together than the lag.
    more = min(max(seen.early - seen.lag, 0.0) + share * (seen.now - seen.began), longest * seen.interval)
    if seen.now >= end and seen.slept < end:
        # This reading ends the epoch, too: the other sources are an epoch behind. To end the next one later, the source
        # must sleep past its beginning.
        return Sleep(seen.now, seen.now + seen.interval + more)
    return Sleep(end - 2 * seen.lag, end + more) if more > seen.lag else Sleep(end, end)


class Epochs:
    """Observes one source partition, and tells Bytewax when to wake it.

    Args:
        interval: Bytewax's epoch interval. With a shorter one the partition is read without a rest until the epoch
            ends; with a longer one it is not kept in step.
        shared: by the partitions that a source has in a worker.
        process: shared by all sources of the process.
        clock: epoch seconds.
        decide: when to sleep.
    """

    def __init__(
        self,
        interval: timedelta,
        shared: Shared,
        process: Process = PROCESS,
        clock: Callable[[], float] = time.time,
        decide: Callable[[Observed], Sleep] = decide,
    ) -> None:
        self._interval, self._shared, self._process = interval.total_seconds(), shared, process
        self._clock, self._decide = clock, decide
        self._began = self._read = self._woken = process.read[get_ident()] = clock()
        self._lag = 0.0
        self._is_first = True

    def reading(self) -> None:
        """The partition is read now."""
        self._read = self._process.read[get_ident()] = now = self._clock()
        if not self._is_first:
            self._lag = max(now - self._woken, 0.0)
        elif now >= self._shared.sleep.end:
            early = self._process.ended - self._began
            seen = Observed(now, self._began, self._interval, early, self._lag, self._shared.sleep.end)
            self._shared.sleep = self._decide(seen)
        self._is_first = False

    def ended(self) -> None:
        """Bytewax takes a snapshot: the partition's epoch ends."""
        self._began = self._process.ended = self._read
        _snapshot.set(self._read)
        self._is_first = True

    def wake(self, rest: float) -> datetime:
        """When to wake the partition, which wants to rest for this many seconds; 0: it has more to read."""
        now, sleep = self._clock(), self._shared.sleep
        if now >= sleep.end:  # Bytewax ends the epoch now
            rest = 0.0
        self._woken = sleep.end if sleep.begin <= now + rest and now < sleep.end else now + rest
        return datetime.fromtimestamp(self._woken, timezone.utc)
