"""Since when, and why, a destination takes nothing: by a clock that the test moves."""

import threading
from collections.abc import Callable

from prometheus_client import REGISTRY

from sinks.outage import Outage


def shown(destination: str) -> dict[str, float]:
    """Since when, by cause."""
    return {
        sample.labels["cause"]: sample.value
        for family in REGISTRY.collect()
        if family.name == "sink_held_back_timestamp_seconds"
        for sample in family.samples
        if sample.labels["destination"] == destination
    }


def elsewhere(act: Callable[[], None]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_it_lasts_from_the_first_failure_until_something_is_taken() -> None:
    now = [100.0]
    outage = Outage("a", lambda: now[0])
    outage.over()
    assert shown("a") == {}
    outage.failed("no\n route")
    now[0] = 109.0
    outage.failed("another")
    assert shown("a") == {"no route": 100.0}
    now[0] = 130.0
    outage.failed("another")
    assert shown("a") == {"another": 100.0}
    outage.over()
    assert shown("a") == {}
    outage.failed("a third")
    assert shown("a") == {"a third": 130.0}


def test_it_lasts_while_it_does_for_one_of_the_threads() -> None:
    now = [100.0]
    outage = Outage("b", lambda: now[0])
    elsewhere(lambda: outage.failed("x" * 1000))
    now[0] = 109.0
    outage.failed("y")
    assert shown("b") == {"x" * 200: 100.0}
    outage.over()
    assert shown("b") == {"x" * 200: 100.0}
