"""Epochs that end together: the decision as a table, and what comes of it in a model of Bytewax's rules."""

from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version

import pytest

from benchmarks.bytewax_epochs import BEGIN, BYTEWAX, Clock, Worker, build, quick, run, slow, source, waited
from sources.epochs import Epochs, Observed, Process, Shared, Sleep, decide

SEEN = Observed(now=100.01, began=100.0, interval=1.0, early=0.0, lag=0.0, slept=100.0)


def test_the_model_is_of_the_installed_bytewax() -> None:
    assert version("bytewax") == BYTEWAX, "compare src/inputs.rs with benchmarks/bytewax_epochs.py"


@pytest.mark.parametrize(
    ("seen", "sleep"),
    [
        pytest.param(SEEN, Sleep(101.0, 101.002), id="a share of the wait"),
        pytest.param(replace(SEEN, early=0.2), Sleep(101.0, 101.202), id="and all of what it was early"),
        pytest.param(replace(SEEN, early=-5.0), Sleep(101.0, 101.002), id="the slowest"),
        pytest.param(replace(SEEN, early=0.2, lag=0.02), Sleep(100.96, 101.182), id="beyond the lag"),
        pytest.param(replace(SEEN, early=0.03, lag=0.02), Sleep(101.0, 101.0), id="no more than the lag"),
        pytest.param(replace(SEEN, early=0.9), Sleep(101.0, 101.5), id="half an interval at most"),
        pytest.param(replace(SEEN, now=101.5), Sleep(101.5, 102.8), id="an epoch ahead"),
        pytest.param(replace(SEEN, now=101.5, slept=101.4), Sleep(101.0, 101.3), id="an epoch ahead, and slept for it"),
    ],
)
def test_when_a_source_sleeps(seen: Observed, sleep: Sleep) -> None:
    assert decide(seen) == pytest.approx(sleep)


@pytest.mark.parametrize(
    ("now", "rest", "wakes"),
    [
        pytest.param(0.5, 0.0, 0.5, id="more to read"),
        pytest.param(0.5, 0.05, 0.55, id="rests"),
        pytest.param(0.97, 0.02, 0.99, id="rests until the sleep"),
        pytest.param(0.97, 0.05, 1.2, id="would wake in the sleep"),
        pytest.param(0.97, 0.5, 1.2, id="would wake after the sleep: the epoch ends then"),
        pytest.param(1.1, 0.0, 1.2, id="in the sleep"),
        pytest.param(1.2, 0.05, 1.2, id="after it: the epoch ends"),
    ],
)
def test_when_a_partition_is_woken(now: float, rest: float, wakes: float) -> None:
    clock = Clock(0.0)
    epochs = Epochs(timedelta(seconds=1), Shared(), Process(), clock, lambda _: Sleep(1.0, 1.2))
    epochs.reading()
    clock.now = now
    assert epochs.wake(rest).timestamp() == pytest.approx(wakes)


@pytest.mark.parametrize("work", [0.001, 0.02], ids=["little to do", "a backlog"])
def test_idle_partitions_and_ticks_do_not_hold_up_busy_ones(work: float) -> None:
    clock, process = Clock(), Process()
    busy = source(clock, process, 4, work=work)
    idle, ticks = source(clock, process, 4, rest=0.05), source(clock, process, 1, rest=0.05)
    run([Worker(clock, BEGIN, busy, idle, ticks)], quick, 200)
    # What they have read is handled before they are read again.
    assert waited(busy, 100) < 4 * work + 0.01


@pytest.mark.parametrize("late", [0.3, 0.7, 0.98, 1.0, 1.02, 1.5, 2.7])
def test_processes_that_start_at_different_times_get_in_step(late: float) -> None:
    clock = Clock()
    workers = []
    for begin, work in ((BEGIN, 0.005), (BEGIN + late, 0.02)):
        process = Process()
        busy, ticks = source(clock, process, 2, work=work), source(clock, process, 1, rest=0.05)
        workers.append(Worker(clock, begin, busy, ticks))
    run(workers, quick, 70)
    assert max(waited(worker.sources[0], 40) for worker in workers) < 0.13


@pytest.mark.parametrize("hiccup", [0.9, 3.3, 10.3])
def test_after_a_hiccup_of_a_process_the_others_get_in_step_again(hiccup: float) -> None:
    clock = Clock()
    workers = [
        Worker(clock, BEGIN, source(clock, process, 2, work=0.005), source(clock, process, 1, rest=0.05))
        for process in (Process(), Process())
    ]
    run(workers, quick, 20)
    workers[1].now += hiccup
    run(workers, quick, 80)
    assert max(waited(worker.sources[0], 40) for worker in workers) < 0.05


def test_after_a_hiccup_of_a_source_the_others_get_in_step_again() -> None:
    clock, process = Clock(), Process()
    busy, idle = source(clock, process, 4, work=0.005), source(clock, process, 4, rest=0.05)
    worker = Worker(clock, BEGIN, busy, idle)
    run([worker], quick, 20)
    for partition in idle:
        partition.awake += 3.3
        partition.started += 0.5
    run([worker], quick, 60)
    assert waited(busy, 20) < 0.05


def test_a_slow_commit_is_hardly_waited_for_twice() -> None:
    clock = Clock()
    partitions = source(clock, Process(), 2, work=0.005)
    run([Worker(clock, BEGIN, partitions)], slow, 200)
    assert partitions[0].ended[-1] - partitions[0].ended[-101] < 105


@pytest.mark.parametrize("late", [0.3, 0.98, 1.0, 1.02, 1.5, 2.7])
@pytest.mark.parametrize("is_busy_first", [True, False], ids=["busy first", "idle first"])
def test_sources_that_are_built_seconds_apart_get_in_step(late: float, is_busy_first: bool) -> None:
    clock, process = Clock(), Process()
    busy, idle = source(clock, process, 4, work=0.005), source(clock, process, 4, rest=0.05)
    sources = (busy, idle) if is_busy_first else (idle, busy)
    worker = Worker(clock, BEGIN + late, *sources)
    build(sources[0], BEGIN)
    run([worker], quick, 60)
    assert waited(busy, 40) < 0.04


def test_a_source_that_was_late_by_nearly_an_interval_does_not_stay_so() -> None:
    """Its epochs end a moment before they are seen to: it must not wake after that."""
    clock, process = Clock(), Process()
    busy = source(clock, process, 2, work=0.0005)
    idle, ticks = source(clock, process, 4, rest=0.05), source(clock, process, 1, rest=0.05)
    worker = Worker(clock, BEGIN + 0.96, busy, idle, ticks)
    build(busy, BEGIN)
    build(idle, BEGIN + 0.27)
    run([worker], lambda _: 0.003, 60)
    assert waited(busy, 40) < 0.03
