"""Where a worker is said to be stuck."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dataflows.health.place import place
from operators import rest


@contextmanager
def worker(run: Callable[[], object]) -> Iterator[int]:
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread.ident or 0
    finally:
        thread.join()


def test_a_worker_in_a_step_is_stuck_there() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def step() -> None:
        inside.set()
        go_on.wait(5)

    with worker(step) as thread:
        inside.wait(5)
        found = place([thread])
        go_on.set()
    assert found is not None
    assert found.startswith("tests/dataflows/health/test_place.py:")
    assert " step" in found


def test_a_worker_that_rests_waits_for_another_one() -> None:
    resting = threading.Event()

    def unread() -> float:
        resting.set()
        return 60.0

    def turns() -> None:
        logic = rest._Rest(unread)
        for _ in range(40):
            logic.on_notify()

    with worker(turns) as thread:
        resting.wait(5)
        found = place([thread])
    assert found is None or "operators/rest.py" not in found
