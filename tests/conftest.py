"""What all tests share: a real Kafka for the session, and names for topics that nobody else uses."""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.servers.kafka import Kafka, unavailable


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real Kafka, directly or by another fixture: `pytest -m 'not kafka'`."""
    for item in items:
        if "kafka_runs_here" in getattr(item, "fixturenames", ()):
            item.add_marker("kafka")


@pytest.fixture(scope="session")
def kafka_runs_here() -> None:
    """Skip with the reason where a real Kafka cannot run; fail on CI, where it must."""
    reason = unavailable()
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka(kafka_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Kafka for the session; a test that stops or kills its broker starts one of its own."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture
def topics() -> Callable[[str], str]:
    """A function from a topic's usual name to a name of this test's own, the same one at every call."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"
