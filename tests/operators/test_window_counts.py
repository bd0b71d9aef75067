"""Counts in windows of event time: what is counted, what is late, what is bounded."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from operators.window_counts import Count, Key, OpenWindows, Tally, Windows

SIZE, LATENESS, HOUR = 10_000, 30_000, 3_600_000
BEGIN = 1_700_000_000_000


class Event(NamedTuple):
    partition: int
    at: int
    kind: str | None = "a"


class Clock:
    """Long after all events, unless a test says otherwise."""

    def __init__(self) -> None:
        self.now = (BEGIN + 100 * HOUR) / 1000

    def __call__(self) -> float:
        return self.now


def described(window: int, counts: Mapping[Key, Count]) -> list[tuple[int, dict[str, tuple[int, int]]]]:
    return [(window * SIZE - BEGIN, {key[1]: (count.records, count.marks) for key, count in counts.items()})]


def windows(clock: Clock, *, max_keys: int = 100, max_open_keys: int = 1000) -> Windows[Event, tuple[int, object]]:
    return Windows(
        SIZE,
        LATENESS,
        keys=lambda events: [event.kind for event in events],
        times=lambda events: [event.at for event in events],
        origins=lambda events: [(event.partition, event.at) for event in events],
        tidy=lambda kind: (kind and kind[:3],),
        other=lambda key: (key[0], "others"),
        describe=described,
        max_keys=max_keys,
        max_open_keys=max_open_keys,
        clock=clock,
    )


class Bench:
    """One worker and the place where its tallies are added up. A call is an epoch."""

    def __init__(
        self,
        windows: Windows[Event, tuple[int, object]],
        opened: OpenWindows[Event, tuple[int, object]] | None = None,
    ) -> None:
        self.windows = windows
        self.open = opened or OpenWindows(windows)
        self.clock: Clock = windows.clock  # type: ignore[assignment]

    def epoch(self, *events: Event, marks: Sequence[Event] = ()) -> Counter[str]:
        tally = Tally(self.windows)
        tally.add(events)
        tally.mark(marks)
        self.emitted, outcomes = self.open.add([tally.sums()])
        self.early = self.open.end_epoch()
        return outcomes

    def let_close(self, *partitions: int, at: int) -> None:
        """Bring partitions to a time, as long after the start as windows need before they close."""
        self.clock.now += LATENESS / 1000 + 1
        for _ in range(6):
            self.epoch(*(Event(partition, at) for partition in partitions))

    def again(self) -> "Bench":
        """The same after a restart."""
        before = self.open
        counts = [(key, Count(one.records, one.marks)) for of in before.counts.values() for key, one in of.items()]
        opened = OpenWindows(self.windows, counts, before.progress, before.closed, before.closing)
        return Bench(self.windows, opened)


@pytest.fixture
def bench() -> Bench:
    return Bench(windows(Clock()))


def test_a_changed_window_is_emitted_with_all_its_counts(bench: Bench) -> None:
    first, second = Event(0, BEGIN), Event(0, BEGIN + SIZE, None)
    assert bench.epoch(first, first, second, marks=[first]) == {"counted": 3}
    assert bench.emitted == [(0, {"a": (2, 1)}), (SIZE, {None: (1, 0)})]
    assert bench.epoch(Event(0, BEGIN + SIZE - 1, "b")) == {"counted": 1}
    assert bench.emitted == [(0, {"a": (2, 1), "b": (1, 0)})]


@pytest.mark.parametrize("seed", range(20))
def test_any_split_over_workers_epochs_and_restarts_gives_the_same_counts(seed: int) -> None:
    pick = random.Random(seed)
    # In order in each partition but for less than the lateness.
    queues = [
        [
            Event(partition, BEGIN + number * 2_000 + pick.randrange(LATENESS), pick.choice("abc"))
            for number in range(pick.randrange(200))
        ]
        for partition in range(3)
    ]
    expected: dict[int, dict[str | None, tuple[int, int]]] = {}
    last: dict[int, object] = {}
    bench = Bench(windows(Clock()))
    while any(queues):
        tallies = [Tally(bench.windows) for _ in range(pick.randrange(1, 4))]
        for queue in queues:
            cut = pick.randrange(1, 10)
            for event in queue[:cut]:
                tally, marks = pick.choice(tallies), pick.choice([0, 0, 1, 2])
                tally.add([event])
                tally.mark([event] * marks)
                counts = expected.setdefault(event.at // SIZE * SIZE - BEGIN, {})
                records, before = counts.get(event.kind, (0, 0))
                counts[event.kind] = records + 1, before + marks
            del queue[:cut]
        emitted, outcomes = bench.open.add([tally.sums() for tally in tallies])
        assert outcomes.keys() <= {"counted"}
        last.update(emitted)
        bench.open.end_epoch()
        bench.clock.now += pick.choice([0, 20])
        if pick.random() < 0.1:
            bench = bench.again()
    assert last == expected


def test_a_window_closes_when_its_partition_is_past_its_end_and_the_lateness(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN))
    bench.let_close(0, at=BEGIN + SIZE + LATENESS - 1)
    assert bench.epoch(Event(0, BEGIN)) == {"counted": 1}
    bench.let_close(0, at=BEGIN + SIZE + LATENESS)
    assert bench.epoch(Event(0, BEGIN), marks=[Event(0, BEGIN)]) == {"late": 1}
    assert bench.emitted == []
    assert bench.open.closed * SIZE == BEGIN + SIZE


def test_what_is_closed_stays_closed_after_a_restart(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN))
    bench.let_close(0, at=BEGIN + HOUR)
    assert bench.again().epoch(Event(0, BEGIN)) == {"late": 1}


def test_the_slowest_partition_decides(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN), Event(1, BEGIN))
    bench.clock.now += LATENESS / 1000 + 1
    for step in range(1, 20):
        assert bench.epoch(Event(0, BEGIN + 24 * HOUR), Event(1, BEGIN + step * 1000)) == {"counted": 2}


def test_a_partition_that_is_far_behind_when_the_job_starts_is_not_late(bench: Bench) -> None:
    for _ in range(5):
        assert bench.epoch(Event(0, BEGIN + 24 * HOUR)) == {"counted": 1}
    assert bench.epoch(Event(1, BEGIN)) == {"counted": 1}


def test_a_silent_partition_does_not_hold_windows_open(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN), Event(1, BEGIN))
    bench.let_close(0, at=BEGIN + HOUR)
    assert bench.epoch(Event(0, BEGIN)) == {"late": 1}


def test_a_partition_is_waited_for_again_after_a_restart(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN), Event(1, BEGIN))
    bench.clock.now += HOUR / 1000
    bench = bench.again()
    for _ in range(6):
        bench.epoch(Event(0, BEGIN + HOUR))
    assert bench.epoch(Event(1, BEGIN)) == {"counted": 1}


def test_one_wrong_clock_among_many_closes_nothing(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN))
    bench.clock.now += LATENESS / 1000 + 1
    for _ in range(8):
        sound = [Event(0, BEGIN)] * 5
        assert bench.epoch(Event(0, BEGIN + 24 * HOUR), *sound) == {"counted": 6}


def test_a_time_after_the_clock_is_counted_apart_and_closes_nothing(bench: Bench) -> None:
    far = int(bench.clock.now * 1000) + HOUR
    bench.epoch(Event(0, BEGIN))
    bench.clock.now += LATENESS / 1000 + 1
    for _ in range(8):
        assert bench.epoch(Event(0, far)) == {"future": 1}
    assert bench.epoch(Event(0, BEGIN)) == {"counted": 1}


def test_a_record_without_a_time_is_counted_apart(bench: Bench) -> None:
    assert bench.epoch(Event(0, -1), Event(0, BEGIN)) == {"undated": 1, "counted": 1}


def test_a_full_window_counts_further_keys_together() -> None:
    bench = Bench(windows(Clock(), max_keys=2))
    events = [Event(0, BEGIN, kind) for kind in ("a", "b", "c", "d", "a")]
    assert bench.epoch(*events, marks=events[2:3]) == {"counted": 5, "folded": 2}
    assert bench.emitted == [(0, {"a": (2, 0), "b": (1, 0), "others": (2, 1)})]


def test_keys_are_kept_in_their_tidy_form(bench: Bench) -> None:
    bench.epoch(Event(0, BEGIN, "longer"), Event(0, BEGIN, "long"))
    assert bench.emitted == [(0, {"lon": (2, 0)})]


def test_too_many_open_keys_close_the_oldest_windows() -> None:
    bench = Bench(windows(Clock(), max_open_keys=3))
    bench.epoch(*(Event(0, BEGIN + number * SIZE) for number in range(5)))
    assert (bench.early, len(bench.open.counts)) == (2, 3)
    assert bench.epoch(Event(0, BEGIN + SIZE), Event(0, BEGIN + 2 * SIZE)) == {"late": 1, "counted": 1}
