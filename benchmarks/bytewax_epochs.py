"""A model of Bytewax's rules for epochs (its ``src/inputs.rs``), on a clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from sources.epochs import Epochs, Observed, Process, Shared, Sleep, decide

BYTEWAX = "0.21.1"
"""The version whose rules these are."""
INTERVAL = 1.0
BEGIN = 1_000_000.0
_READ, _STEP = 0.001, 0.0005

Decide = Callable[[Observed], Sleep]


@dataclass
class Clock:
    now: float = BEGIN

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
    ended: list[float] = field(default_factory=list)
    waits: dict[int, float] = field(default_factory=dict)
    """Seconds from the end of the epoch before to the first reading, by epoch."""


class Worker:
    """A thread of Bytewax's: it looks at all its sources in turn, each with partitions."""

    def __init__(self, clock: Clock, begin: float, *sources: list[Partition]) -> None:
        self.clock, self.sources, self.now = clock, sources, begin
        for source in sources:
            build(source, begin)

    def step(self, opened: Callable[[int], float]) -> None:
        """Go once through the sources; `opened` is when an epoch may be read."""
        self.clock.now = self.now
        for source in self.sources:
            now = self.clock.now
            if now < min(partition.awake for partition in source):
                continue
            work = 0.0
            for partition in source:
                if now < opened(partition.epoch):
                    continue
                if now >= partition.awake:
                    if partition.ended:
                        partition.waits.setdefault(partition.epoch, now - partition.ended[-1])
                    partition.epochs.reading()
                    self.clock.now += min(_READ, partition.work)
                    work += partition.work
                    partition.awake = partition.epochs.wake(partition.rest).timestamp()
                if now - partition.started >= INTERVAL:
                    partition.epochs.ended()
                    partition.ended.append(now)
                    partition.started = now
                    partition.epoch += 1
            self.clock.now += work
        self.now = self.clock.now + _STEP


def build(partitions: list[Partition], at: float) -> None:
    """A source is built: the first epoch of its partitions begins, possibly before its worker reads any."""
    for partition in partitions:
        partition.started = partition.awake = at


def run(workers: list[Worker], commit: Callable[[int], float], epochs: int) -> None:
    """Let the workers run side by side up to this epoch; `commit` is what ending an epoch takes, in seconds."""
    partitions = [partition for worker in workers for source in worker.sources for partition in source]

    def opened(epoch: int) -> float:
        if epoch == 0:
            return 0.0
        if any(partition.epoch < epoch for partition in partitions):
            return float("inf")
        return max(partition.ended[epoch - 1] for partition in partitions) + commit(epoch)

    while any(partition.epoch < epochs for partition in partitions):
        min(workers, key=lambda worker: worker.now).step(opened)


def source(
    clock: Clock,
    process: Process,
    count: int,
    rest: float = 0.0,
    work: float = 0.0,
    decide: Decide = decide,
    shared: Shared | None = None,
) -> list[Partition]:
    shared = shared or Shared()
    return [
        Partition(Epochs(timedelta(seconds=INTERVAL), shared, process, clock, decide), rest, work) for _ in range(count)
    ]


def waited(partitions: list[Partition], last: int) -> float:
    """The share of the last epochs in which partitions had to wait."""
    waits = [wait for one in partitions for epoch, wait in one.waits.items() if epoch > one.epoch - last]
    return sum(waits) / len(waits) / INTERVAL


def quick(_epoch: int) -> float:
    """A commit of 5 ms."""
    return 0.005


def slow(epoch: int) -> float:
    """A commit of 150 to 250 ms."""
    return Random(epoch).uniform(0.15, 0.25)
