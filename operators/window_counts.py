"""Counts of records by key in tumbling windows of event time. Pure: ``operators/windows.py`` has the steps.

A window is the number ``time // size``. It closes when every partition that brings records has come to its end and the
lateness beyond it; a record of a closed window is late. A partition has come to the median of the times of its records
in a batch, so a few wrong clocks move nothing. Three rules keep records that are in order from being late:

- The slowest partition decides. One that has been silent for some epochs, and for the lateness by the clock, does not
  count.
- Nothing closes for as long after a start, because a partition may not have brought anything yet.
- What an epoch has brought closes windows two epochs later, when every worker has handed on the counts of that epoch.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

X = TypeVar("X")
Y = TypeVar("Y")

Key = tuple[Any, ...]
"""The number of a window, and then what is counted apart: texts, integers, booleans and nulls."""

_SILENT_EPOCHS = 3
_SAMPLES = 64
"""Records of a batch that are looked at for the progress of partitions."""


class Count(msgspec.Struct, array_like=True):
    """What was counted under a key."""

    records: int = 0
    marks: int = 0
    """Of these, how often one was marked; a record may be marked several times."""


@dataclass(frozen=True)
class Windows(Generic[X, Y]):
    """How records are counted."""

    size: int
    """The length of a window, milliseconds."""
    lateness: int
    """How long a window stays open after its end, milliseconds."""
    keys: Callable[[Sequence[X]], list[Any]]
    """What each record is counted by within its window: hashable, and quick to hash."""
    times: Callable[[Sequence[X]], list[int]]
    """The time of each record, epoch milliseconds."""
    origins: Callable[[Sequence[X]], Iterable[tuple[int, int]]]
    """Partition and time (epoch milliseconds) of each record."""
    tidy: Callable[[Any], tuple[Any, ...]]
    """From one of ``keys`` to the form in which it is kept: texts of a bounded length, integers, booleans and nulls."""
    other: Callable[[Key], Key]
    """The key in whose place a new one is counted once its window has ``max_keys``. There must be few of them."""
    describe: Callable[[int, Mapping[Key, Count]], Iterable[Y]]
    """What is emitted of a window, given its number and its counts, each time that they have changed."""
    max_keys: int = 2_000
    """The most keys of a window, but for those of ``other``."""
    max_open_keys: int = 100_000
    """The most keys of all open windows. Above it the oldest windows are closed before their time."""
    clock: Callable[[], float] = time.time
    """Epoch seconds."""


class Sums(msgspec.Struct):
    """What a worker has counted, by keys in the form in which they are kept."""

    records: Counter[Key]
    marks: Counter[Key]
    progress: dict[int, int]
    """How far each partition has come: epoch milliseconds."""

    @classmethod
    def empty(cls) -> "Sums":
        """Nothing counted."""
        return cls(Counter(), Counter(), {})

    def __bool__(self) -> bool:
        return bool(self.records or self.marks)

    def add(self, other: "Sums") -> None:
        """Add what was counted further."""
        self.records.update(other.records)
        self.marks.update(other.marks)
        advance(self.progress, other.progress)


class Tally(Generic[X]):
    """Counts the records of an epoch on a worker. Of a record it makes its key, its time and one count, all in C."""

    def __init__(self, windows: Windows[X, Any]) -> None:
        self._windows = windows
        self._records: dict[int, Counter[Any]] = {}
        self._marks: dict[int, Counter[Any]] = {}
        self._progress: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self._records or self._marks)

    def add(self, records: Sequence[X]) -> None:
        """Count records of one batch."""
        self._add(records, self._records)
        times: dict[int, list[int]] = {}
        for partition, at in self._windows.origins(records[:: 1 + len(records) // _SAMPLES]):
            times.setdefault(partition, []).append(at)
        advance(self._progress, {partition: sorted(of_one)[len(of_one) // 2] for partition, of_one in times.items()})

    def mark(self, records: Sequence[X]) -> None:
        """Count records as marked; each is also given to ``add`` in the same epoch."""
        self._add(records, self._marks)

    def sums(self) -> Sums:
        """All that was counted."""
        return Sums(self._tidy(self._records), self._tidy(self._marks), self._progress)

    def _add(self, records: Sequence[X], counters: dict[int, Counter[Any]]) -> None:
        if not records:
            return
        size, keys, times = self._windows.size, self._windows.keys(records), self._windows.times(records)
        first = min(times) // size
        if max(times) // size == first:  # as nearly always, but for a backlog
            counters.setdefault(first, Counter()).update(keys)
            return
        for (window, key), number in Counter(zip([at // size for at in times], keys, strict=True)).items():
            counters.setdefault(window, Counter())[key] += number

    def _tidy(self, counters: Mapping[int, Counter[Any]]) -> Counter[Key]:
        tidy, sums = self._windows.tidy, Counter[Key]()
        for window, counter in counters.items():
            for key, number in counter.items():
                kept = (window, *tidy(key))
                sums[kept] += number
        return sums


def advance(progress: dict[int, int], further: Mapping[int, int]) -> None:
    """Bring partitions further; none goes back."""
    for partition, at in further.items():
        progress[partition] = max(at, progress.get(partition, at))


class OpenWindows(Generic[X, Y]):
    """The counts of all windows that are not closed."""

    def __init__(
        self,
        windows: Windows[X, Y],
        counts: Iterable[tuple[Key, Count]] = (),
        progress: Mapping[int, int] | None = None,
        closed: int = 0,
        closing: int = 0,
    ) -> None:
        self._windows = windows
        self.counts: dict[int, dict[Key, Count]] = {}
        for key, count in counts:
            self.counts.setdefault(key[0], {})[key] = count
        self.progress = dict(progress or {})
        self.closed = closed
        """The number of the first window that is not closed."""
        self.closing = closing
        """What ``closed`` becomes with the next epoch."""
        self._epoch = 0
        self._started = windows.clock(), 0
        self._heard = dict.fromkeys(self.progress, self._started)
        """When each partition last brought something: by the clock, and in which epoch."""

    def add(self, tallies: Iterable[Sums]) -> tuple[list[Y], Counter[str]]:
        """Add what workers have counted.

        Returns:
            What is emitted of the windows that have changed, the oldest first; and the number of records by outcome:
            counted, late, future (their window begins later than the clock and the lateness), undated (before 1970).
            Those that were counted under an ``other`` key are also folded.
        """
        now = self._windows.clock()
        last = int(now * 1000 + self._windows.lateness) // self._windows.size
        changed: set[int] = set()
        outcomes: Counter[str] = Counter()
        for tally in tallies:
            for key, number in tally.records.items():
                window: int = key[0]
                if self.closed <= window <= last:
                    changed.add(window)
                    kept = self._kept(key, outcomes, number)
                    self._count(kept).records += number
                    outcomes["counted"] += number
                else:
                    outcomes["undated" if window < 0 else "future" if window > last else "late"] += number
            for key, number in tally.marks.items():
                if self.closed <= key[0] <= last:
                    changed.add(key[0])
                    self._count(self._kept(key)).marks += number
            self._advance(tally.progress, now)
        emitted = [one for window in sorted(changed) for one in self._windows.describe(window, self.counts[window])]
        return emitted, outcomes

    def end_epoch(self) -> int:
        """Close the windows whose time has come; return how many more there were than may be open.

        An epoch without a tally need not be told.
        """
        self._epoch += 1
        self._close(self.closing)
        self.closing = max(self.closed, self.closing, self._due())
        early = 0
        keys = sum(map(len, self.counts.values()))
        while keys > self._windows.max_open_keys:
            oldest = min(self.counts)
            keys -= len(self.counts[oldest])
            early += 1
            self._close(oldest + 1)
        return early

    def _due(self) -> int:
        now = self._windows.clock()
        heard = [at for partition, at in self.progress.items() if not self._is_long_ago(self._heard[partition], now)]
        if not heard or not self._is_long_ago(self._started, now):
            return 0
        return (min(heard) - self._windows.lateness) // self._windows.size

    def _is_long_ago(self, when: tuple[float, int], now: float) -> bool:
        at, epoch = when
        return now - at > self._windows.lateness / 1000 and self._epoch - epoch > _SILENT_EPOCHS

    def _close(self, closed: int) -> None:
        if closed > self.closed:
            self.closed = closed
            self.counts = {window: counts for window, counts in self.counts.items() if window >= closed}

    def _advance(self, progress: Mapping[int, int], now: float) -> None:
        # A clock that is ahead of ours by more than the lateness tells nothing.
        sound = {partition: at for partition, at in progress.items() if at <= now * 1000 + self._windows.lateness}
        advance(self.progress, sound)
        self._heard.update(dict.fromkeys(sound, (now, self._epoch)))

    def _kept(self, key: Key, outcomes: Counter[str] | None = None, number: int = 0) -> Key:
        """The key under which a key is counted."""
        counts = self.counts.setdefault(key[0], {})
        if key in counts or len(counts) < self._windows.max_keys:
            return key
        if outcomes is not None:
            outcomes["folded"] += number
        return self._windows.other(key)

    def _count(self, key: Key) -> Count:
        return self.counts[key[0]].setdefault(key, Count())
