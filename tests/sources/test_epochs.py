"""Epochs that end together, in a model of Bytewax's rules for them (its src/inputs.rs) on a clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

import pytest

from sources.epochs import Epochs, Pause, Process

INTERVAL = 1.0
BEGIN = 1_000_000.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


@dataclass
class Partition:
    """A partition: what it rests (0: it always has data), and what it takes to read it and to handle what was read."""

    epochs: Epochs
    rest: float = 0.0
    work: float = 0.0
    started: float = 0.0
    awake: float = 0.0
    epoch: int = 0
    waits: list[float] = field(default_factory=list)
    """What each epoch's first reading came later than the one before had ended."""
    ended: list[float] = field(default_factory=list)


class Worker:
    """A thread of Bytewax's: in turn it looks at all its sources, each with partitions."""

    def __init__(self, clock: Clock, begin: float, *sources: list[Partition]) -> None:
        self.clock, self.sources, self.now = clock, sources, begin
        for partition in (partition for source in sources for partition in source):
            partition.started = partition.awake = begin

    def step(self, opened: Callable[[int], float]) -> None:
        """Go once through the sources; `opened` is when an epoch may be read."""
        self.clock.now = self.now
        for source in self.sources:
            now = self.clock.now
            if now < min(partition.awake for partition in source):
                continue
            for partition in source:
                if now < opened(partition.epoch):
                    continue
                if now >= partition.awake:
                    if len(partition.waits) < partition.epoch:
                        partition.waits.append(now - partition.ended[-1])
                    partition.epochs.reading()
                    self.clock.now += partition.work
                    partition.awake = partition.epochs.wake(partition.rest).timestamp()
                if now - partition.started >= INTERVAL:
                    partition.epochs.ended()
                    partition.ended.append(now)
                    partition.started = now
                    partition.epoch += 1
        self.now = self.clock.now + 0.0005


def run(workers: list[Worker], commit: Callable[[int], float], epochs: int) -> None:
    """Let the workers run side by side for so many epochs; `commit` is what ending one takes, in seconds."""
    partitions = [partition for worker in workers for source in worker.sources for partition in source]

    def opened(epoch: int) -> float:
        if epoch == 0:
            return 0.0
        if any(partition.epoch < epoch for partition in partitions):
            return float("inf")
        return max(partition.ended[epoch - 1] for partition in partitions) + commit(epoch)

    while any(partition.epoch < epochs for partition in partitions):
        min(workers, key=lambda worker: worker.now).step(opened)


def source(clock: Clock, process: Process, count: int, rest: float = 0.0, work: float = 0.0) -> list[Partition]:
    pause = Pause()
    return [Partition(Epochs(pause, process, clock), rest, work) for _ in range(count)]


def waited(partitions: list[Partition], last: int) -> float:
    """The share of the last epochs in which partitions had to wait."""
    return sum(sum(partition.waits[-last:]) for partition in partitions) / len(partitions) / last / INTERVAL


@pytest.mark.parametrize("work", [0.001, 0.02], ids=["little to do", "a backlog"])
def test_idle_partitions_and_ticks_do_not_hold_up_busy_ones(work: float) -> None:
    clock, process = Clock(), Process()
    busy = source(clock, process, 4, work=work)
    idle, ticks = source(clock, process, 4, rest=0.05), source(clock, process, 1, rest=0.05)
    run([Worker(clock, BEGIN, busy, idle, ticks)], lambda _: 0.005, 300)
    # What they have read is handled before they are read again.
    assert waited(busy, 100) < 4 * work + 0.03


def test_processes_that_start_at_different_times_get_in_step() -> None:
    clock = Clock()
    early, late = source(clock, Process(), 2, work=0.005), source(clock, Process(), 2, work=0.02)
    run([Worker(clock, BEGIN, early), Worker(clock, BEGIN + 0.7, late)], lambda _: 0.005, 100)
    assert waited(early, 50) < 0.15
    assert waited(late, 50) < 0.1


def test_after_a_hiccup_of_a_process_the_others_get_in_step_again() -> None:
    clock = Clock()
    steady, other = source(clock, Process(), 2, work=0.005), source(clock, Process(), 2, work=0.005)
    workers = [Worker(clock, BEGIN, steady), Worker(clock, BEGIN, other)]
    run(workers, lambda _: 0.005, 20)
    workers[1].now += 0.9
    run(workers, lambda _: 0.005, 80)
    assert max(waited(steady, 40), waited(other, 40)) < 0.05


def test_a_slow_commit_is_hardly_waited_for_twice() -> None:
    clock = Clock()
    partitions = source(clock, Process(), 2, work=0.005)
    run([Worker(clock, BEGIN, partitions)], lambda epoch: Random(epoch).uniform(0.15, 0.25), 200)
    lasted = partitions[0].ended[-1] - partitions[0].ended[-101]
    assert lasted < 100 * INTERVAL * 1.05


def test_a_partition_is_woken_at_the_end_of_its_epoch_and_not_before_it_wants() -> None:
    clock = Clock()
    epochs = Epochs(Pause(), Process(), clock)

    def wakes(rest: float) -> float:
        return round(datetime.timestamp(epochs.wake(rest)) - clock.now, 6)

    epochs.reading()
    assert wakes(0.05) == 0.05  # nothing is known of the interval
    for _ in range(2):
        clock.now += 1.0
        epochs.ended()
        epochs.reading()
    clock.now += 0.9
    assert wakes(0.05) == 0.05
    clock.now += 0.07
    assert wakes(0.05) == 0.03
    assert wakes(0.01) == 0.01
    assert wakes(0.0) == 0.0


def build(partitions: list[Partition], at: float) -> None:
    """A source is built before its worker reads any: then its first epoch begins."""
    for partition in partitions:
        partition.started = at


@pytest.mark.parametrize("late", [0.3, 0.98, 1.0, 1.02, 1.5, 2.7])
@pytest.mark.parametrize("is_busy_first", [True, False], ids=["busy first", "idle first"])
def test_sources_that_are_built_seconds_apart_get_in_step(late: float, is_busy_first: bool) -> None:
    clock, process = Clock(), Process()
    busy, idle = source(clock, process, 4, work=0.005), source(clock, process, 4, rest=0.05)
    sources = (busy, idle) if is_busy_first else (idle, busy)
    worker = Worker(clock, BEGIN + late, *sources)
    build(sources[0], BEGIN)
    run([worker], lambda _: 0.005, 60)
    assert waited(busy, 40) < 0.07


@pytest.mark.parametrize("late", [0.98, 1.0, 1.02, 1.5, 2.7])
def test_processes_that_start_seconds_apart_get_in_step(late: float) -> None:
    clock = Clock()
    workers = []
    for begin in (BEGIN, BEGIN + late):
        process = Process()
        busy, ticks = source(clock, process, 2, work=0.005), source(clock, process, 1, rest=0.05)
        workers.append(Worker(clock, begin, busy, ticks))
    run(workers, lambda _: 0.005, 100)
    assert max(waited(worker.sources[0], 40) for worker in workers) < 0.15


def test_a_source_that_was_late_by_nearly_an_interval_does_not_stay_so() -> None:
    """Its epochs end a moment before they are seen to: the pause must not come after that."""
    clock, process = Clock(), Process()
    busy = source(clock, process, 2, work=0.0005)
    idle, ticks = source(clock, process, 4, rest=0.05), source(clock, process, 1, rest=0.05)
    worker = Worker(clock, BEGIN + 0.96, busy, idle, ticks)
    build(busy, BEGIN)
    build(idle, BEGIN + 0.27)
    run([worker], lambda _: 0.003, 60)
    assert waited(busy, 40) < 0.07
