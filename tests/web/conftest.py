"""An embedded Kafka with the ratings topic, and an intake on it."""

from collections.abc import Iterator

import pytest

from servers.embedded.kafka import EmbeddedKafka
from tests.web.intake import Intake


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedKafka]:
    """For tests that leave its broker alone."""
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 3)
        yield kafka


@pytest.fixture(scope="module")
def intake(cluster: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    with Intake(
        tmp_path_factory.mktemp("intake"),
        cluster.bootstrap,
        INTAKE_MAX_BODY_BYTES="2048",
        INTAKE_MAX_RATINGS="5",
        INTAKE_CLIENT_SECONDS="1",
    ) as intake:
        intake.await_health()
        yield intake


@pytest.fixture
def own_cluster() -> Iterator[EmbeddedKafka]:
    """For a test that stops its broker."""
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 3)
        yield kafka
