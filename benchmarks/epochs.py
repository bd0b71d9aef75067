"""Epochs in step, in the model of Bytewax's rules that the tests use: other ways, and a sweep of the constants."""

from argparse import Namespace
from dataclasses import asdict, dataclass
from functools import partial
from math import inf
from typing import Any

from benchmarks.bytewax_epochs import BEGIN, Clock, Decide, Partition, Worker, build, quick, run, slow, source, waited
from sources.epochs import LONGEST, SHARE, Observed, Process, Shared, Sleep, decide

EPOCHS, LAST = 50, 20


@dataclass(frozen=True)
class Way:
    """How the epochs of ratings, customers and ticks are kept in step."""

    name: str
    decide: Decide = decide
    partitions: int = 4
    """Of a topic, in a worker."""
    merged: bool = False
    """All that a worker reads is one source."""
    ticks: bool = True
    """They are a source of their own."""


def alone(_seen: Observed) -> Sleep:
    """Never sleep."""
    return Sleep(inf, inf)


WAYS = [
    Way("left alone", alone),
    Way("one partition a worker and topic", alone, partitions=1),
    Way("ticks with the customers", alone, ticks=False),
    Way("one source", alone, merged=True),
    Way("one source, in step", merged=True),
    *(Way(f"in step, share {share}", partial(decide, share=share)) for share in (0.05, 0.1, SHARE, 0.4, 0.8)),
    *(Way(f"in step, longest {longest}", partial(decide, longest=longest)) for longest in (0.1, LONGEST, 1.0)),
]


@dataclass(frozen=True)
class Result:
    """What became of a way: shares of the time that ratings waited, of the last epochs."""

    way: str
    steady: float
    backlog: float
    """20 ms of work a poll."""
    built_apart: float
    """The customers 1.5 s after the ratings."""
    processes_apart: float
    """The worst of a second process that starts 0.5, 1 or 2.7 s later."""
    hiccups: float
    """The worst of a process that stops for 3.3 or 10.3 s."""
    slow_commits: float
    """By how much the epochs are longer than the interval, where each commit takes 0.15 to 0.25 s."""


def compare(_options: Namespace) -> dict[str, Any]:
    """Run the model; print and return the results."""
    print(f"{'ratings wait, %':34}{'steady':>9}{'backlog':>9}{'built':>9}{'started':>9}{'hiccup':>9}{'commits':>9}")
    results = [measure(way) for way in WAYS]
    return {"ways": [asdict(result) for result in results]}


def measure(way: Way) -> Result:
    """Run one way through all situations; print its row."""
    result = Result(
        way.name,
        steady(way, 0.001),
        steady(way, 0.02),
        built_apart(way),
        max(processes(way, late, 0.0) for late in (0.5, 1.0, 2.7)),
        max(processes(way, 0.0, hiccup) for hiccup in (3.3, 10.3)),
        slow_commits(way),
    )
    print(f"{way.name:34}" + "".join(f"{100 * share:9.1f}" for share in list(asdict(result).values())[1:]), flush=True)
    return result


def sources(way: Way, clock: Clock, process: Process, work: float = 0.005) -> list[list[Partition]]:
    """What a worker reads: busy ratings first, idle customers, ticks."""
    make = partial(source, clock, process, decide=way.decide, shared=Shared() if way.merged else None)
    all_of = [make(way.partitions, work=work * 4 / way.partitions), make(way.partitions, rest=0.05)]
    if way.ticks:
        all_of.append(make(1, rest=0.05))
    return [[partition for one in all_of for partition in one]] if way.merged else all_of


def steady(way: Way, work: float) -> float:
    clock = Clock()
    all_of = sources(way, clock, Process(), work)
    run([Worker(clock, BEGIN, *all_of)], quick, EPOCHS)
    return waited(all_of[0][: way.partitions], LAST)


def built_apart(way: Way) -> float:
    clock = Clock()
    all_of = sources(way, clock, Process())
    worker = Worker(clock, BEGIN + 1.5, *all_of)
    build(all_of[0], BEGIN)
    run([worker], quick, EPOCHS)
    return waited(all_of[0][: way.partitions], LAST)


def processes(way: Way, late: float, hiccup: float) -> float:
    clock = Clock()
    workers = [Worker(clock, begin, *sources(way, clock, Process())) for begin in (BEGIN, BEGIN + late)]
    run(workers, quick, 10)
    workers[1].now += hiccup
    run(workers, quick, EPOCHS)
    return max(waited(worker.sources[0][: way.partitions], LAST) for worker in workers)


def slow_commits(way: Way) -> float:
    clock = Clock()
    all_of = sources(way, clock, Process())
    run([Worker(clock, BEGIN, *all_of)], slow, EPOCHS)
    ended = all_of[0][0].ended
    return (ended[-1] - ended[-1 - LAST]) / LAST - 1
