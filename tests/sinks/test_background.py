"""Pauses, the bound, and the failure of a thread, by a clock that the test moves."""

import itertools
import logging
import threading
import time

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Gauge

from sinks.background import Backlog, Every, back_off, is_any_held_back


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.1), (1, 0.2), (3, 0.8), (5, 3.2), (6, 5.0), (10, 5.0), (10_000, 5.0)]
)
def test_a_pause_is_drawn_from_zero_to_twice_the_longest_before(attempt: int, longest: float) -> None:
    assert back_off(attempt, lambda least, most: most - least) == pytest.approx(longest)
    assert back_off(attempt, lambda least, _most: least) == 0


@pytest.mark.parametrize(
    ("after", "times"), [(0.0, [True, False, False, True, False]), (10.0, [False, False, True, False, True])]
)
def test_a_line_is_due_each_ten_seconds(after: float, times: list[bool]) -> None:
    now = [0.0]
    every = Every(after=after, clock=lambda: now[0])
    due = []
    for now[0] in (0.0, 9.9, 10.0 if after else 9.9, 10.1, 20.0):
        due.append(every())
    assert due == times


def backlog(step: float = 0.0, stopping: bool = False) -> Backlog:
    """One of 100 bytes, with a clock on which each look takes ``step`` seconds."""
    gauge = Gauge("bytes", "of the test", registry=CollectorRegistry())
    return Backlog("nowhere", 100, gauge, lambda: stopping, clock=itertools.count(0, step).__next__)


def test_the_flow_waits_for_room_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    waits = backlog(step=4.0)
    assert REGISTRY.get_sample_value("sink_buffer_max_bytes", {"destination": "nowhere"}) == 100
    waits.hold(100)
    seen = list[bool]()

    def make_room() -> None:
        deadline = time.monotonic() + 60
        while not is_any_held_back() and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(is_any_held_back())
        waits.hold(-1)

    threading.Thread(target=make_room).start()
    waits.wait_for_room()
    assert (waits.bytes, seen, is_any_held_back()) == (99, [True], False)
    lines = {record.getMessage() for record in caplog.records if record.levelno == logging.WARNING}
    assert lines == {"100 bytes wait for nowhere: the flow is held back"}


@pytest.mark.parametrize("bytes_held", [0, 100])
def test_a_failure_is_raised_by_each_wait_and_the_first_one_counts(bytes_held: int) -> None:
    waits = backlog()
    waits.hold(bytes_held)
    waits.fail(KeyError("first"))
    waits.fail(KeyError("second"))
    for call in (waits.check, waits.wait_for_room, lambda: waits.wait(lambda: True)):
        with pytest.raises(KeyError, match="first"):
            call()


def test_a_flow_that_stops_does_not_wait() -> None:
    waits = backlog(stopping=True)
    waits.hold(1000)
    waits.wait_for_room()


def test_a_wait_has_a_deadline() -> None:
    assert backlog(step=1.0).wait(lambda: False, seconds=3) is False
    assert backlog(step=1.0).wait(lambda: True, seconds=0) is True
