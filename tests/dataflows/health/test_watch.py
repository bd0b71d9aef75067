"""The bounds of a process, and where its workers are."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from dataflows.health.place import place
from dataflows.health.watch import bounds
from dataflows.process import Launch
from operators.wait import _Waiting
from settings import Settings


@pytest.mark.parametrize(
    ("environ", "epoch", "stall", "ready"),
    [
        ({}, 1, 132, 10),
        ({}, 10, 150, 30),
        ({}, 300, 730, 900),
        ({"STALL_SECONDS": "500"}, 1, 502, 10),
        ({"KAFKA_MESSAGE_TIMEOUT_MS": "5000"}, 1, 62, 10),
        ({"KAFKA_MESSAGE_TIMEOUT_MS": "300000"}, 1, 312, 10),
        ({"KAFKA_MESSAGE_TIMEOUT_MS": "0"}, 1, 132, 10),  # librdkafka's "for ever"
    ],
)
def test_a_bound_is_longer_than_any_wait_of_a_healthy_process(
    environ: dict[str, str], epoch: int, stall: float, ready: float
) -> None:
    found = bounds(Settings.load(environ), Launch(None, epoch=timedelta(seconds=epoch)))
    assert (found.stall, found.ready, found.connect) == (stall, ready, 120)


def place_of(run: Callable[[], object], inside: threading.Event, end: threading.Event) -> str | None:
    """Where a worker is that runs this, once it is inside."""
    worker = threading.Thread(target=run)
    worker.start()
    try:
        assert inside.wait(60)
        return place([worker.ident or 0])
    finally:
        end.set()
        worker.join()


def test_a_worker_in_our_code_is_found_there() -> None:
    waiting, end = threading.Event(), threading.Event()

    def wait_for_the_end() -> None:
        waiting.set()
        end.wait(60)

    found = place_of(wait_for_the_end, waiting, end)
    assert found is not None
    assert found.startswith("tests/dataflows/health/test_watch.py:")
    assert "wait_for_the_end" in found


def test_a_worker_that_rests_is_stuck_nowhere() -> None:
    resting = threading.Event()

    def waits_long() -> float:
        resting.set()
        return 60.0

    def turns() -> None:
        for _ in range(40):
            waiting.on_notify()

    waiting = _Waiting(waits_long)
    found = place_of(turns, resting, threading.Event())
    assert found is None or "operators/wait.py" not in found
