"""The real Kafka: what it keeps, and whom it refuses."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # public, not re-exported

from servers import topics
from servers.kafka import Kafka
from servers.topics import Record


@pytest.fixture(scope="module")
def own_kafka(kafka_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    folder = tmp_path_factory.mktemp("own-kafka")
    with Kafka(folder, sasl_users={"app": "app-secret", "other": "other secret"}) as kafka:
        yield kafka


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    topics.write(bootstrap, topic, [Record(None, value, 0) for value in values])


def read(bootstrap: str, topic: str) -> list[bytes | None]:
    return [message.value() for message in topics.read(bootstrap, topic)]


def test_what_is_written_is_read(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("ratings")
    kafka.create_topic(topic)
    write(kafka.bootstrap, topic, [b"one", b"two"])
    assert read(kafka.bootstrap, topic) == [b"one", b"two"]


def test_a_topic_has_its_settings(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("customers")
    kafka.create_topic(topic, partitions=3, cleanup_policy="compact", segment_ms=500)
    admin = kafka.admin()
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    settings = admin.describe_configs([resource])[resource].result()
    assert (settings["cleanup.policy"].value, settings["segment.ms"].value) == ("compact", "500")


def test_what_was_acknowledged_survives_a_kill(own_kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("ratings")
    own_kafka.create_topic(topic)
    values = [b"%d" % number for number in range(10_000)]
    write(own_kafka.bootstrap, topic, values)
    own_kafka.kill()
    assert not own_kafka.running()
    own_kafka.start()
    assert read(own_kafka.bootstrap, topic) == values


def test_it_stops_and_starts_again(own_kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("ratings")
    own_kafka.create_topic(topic)
    write(own_kafka.bootstrap, topic, [b"one"])
    own_kafka.stop()
    own_kafka.start()
    write(own_kafka.bootstrap, topic, [b"two"])
    assert read(own_kafka.bootstrap, topic) == [b"one", b"two"]


def sasl_client(kafka: Kafka, user: str, password: str, on_error: Callable[[KafkaError], None]) -> Producer:
    return Producer(
        {
            "bootstrap.servers": kafka.sasl_bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": password,
            "error_cb": on_error,
            "log_level": 0,
        }
    )


@pytest.mark.parametrize(("user", "password"), [("app", "app-secret"), ("other", "other secret")])
def test_right_passwords(own_kafka: Kafka, user: str, password: str) -> None:
    errors: list[KafkaError] = []
    client = sasl_client(own_kafka, user, password, errors.append)
    assert client.list_topics(timeout=30).brokers
    assert errors == []


@pytest.mark.parametrize(("user", "password"), [("app", "wrong"), ("nobody", "app-secret")])
def test_wrong_passwords(own_kafka: Kafka, user: str, password: str) -> None:
    errors: list[KafkaError] = []
    client = sasl_client(own_kafka, user, password, errors.append)
    deadline = time.monotonic() + 30
    while not errors and time.monotonic() < deadline:
        client.poll(0.1)  # a refusal is told to error_cb, and to nobody else
    assert errors[0].code() == KafkaError._AUTHENTICATION


def test_a_failed_start_shows_the_log(kafka_runs_here: None, tmp_path: Path) -> None:
    kafka = Kafka(tmp_path)
    (tmp_path / "server.properties").write_text("process.roles=nonsense\n")
    with pytest.raises(RuntimeError, match=r"(?s)ended while starting.*kafka.log ends with.*nonsense"):
        kafka.start()
    assert not kafka.running()
