import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from servers.embedded import kafka as module
from servers.embedded.kafka import EmbeddedKafka, LibraryNotFoundError


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        yield kafka


def producer(kafka: EmbeddedKafka) -> Producer:
    return Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, "log_level": 0})


def read(kafka: EmbeddedKafka, topic: str, partitions: int, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "fetch.wait.max.ms": 20})
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
        messages = consumer.consume(count, 20)
    finally:
        consumer.close()
    assert [message.error() for message in messages] == [None] * count
    return messages


def test_records_come_back_as_they_were_sent(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("ratings", 4)
    sender = producer(kafka)
    sent: dict[bytes, tuple[bytes | None, int, list[tuple[str, str | bytes | None]] | None]] = {
        b"1": (b'{"stars":3}', 1_528_800_546_808, [("origin", b"web")]),
        b"2": (b"", 1_528_800_546_809, None),
        b"3": (None, 1_528_800_546_810, None),
    }
    for key, (value, timestamp, headers) in sent.items():
        sender.produce("ratings", value, key, timestamp=timestamp, headers=headers)
    assert sender.flush(20) == 0

    came = {message.key(): message for message in read(kafka, "ratings", 4, 3)}
    assert {key: (m.value(), m.timestamp()[1], m.headers()) for key, m in came.items()} == sent


def test_topics_have_the_partitions_asked_for(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("one", 1)
    kafka.create_topic("seven", 7)
    topics = producer(kafka).list_topics(timeout=20).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"one": 1, "seven": 7}


def test_a_topic_is_created_once(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("ratings", 4)
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        kafka.create_topic("ratings", 4)


def test_other_processes_reach_it(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("ratings", 1)
    program = (
        "import sys; from confluent_kafka import Producer; p = Producer({'bootstrap.servers': sys.argv[1]});"
        "p.produce('ratings', b'from afar'); sys.exit(p.flush(20))"
    )
    subprocess.run([sys.executable, "-c", program, kafka.bootstrap], check=True, timeout=60)
    assert [message.value() for message in read(kafka, "ratings", 1, 1)] == [b"from afar"]


def test_a_broker_goes_and_comes_back_with_its_data(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("ratings", 1)
    sender = producer(kafka)
    sender.produce("ratings", b"before")
    assert sender.flush(20) == 0
    kafka.broker_down()
    sender.produce("ratings", b"meanwhile")
    assert sender.flush(0.5) == 1
    kafka.broker_up()
    assert sender.flush(20) == 0
    assert [message.value() for message in read(kafka, "ratings", 1, 2)] == [b"before", b"meanwhile"]


def test_several_brokers() -> None:
    with EmbeddedKafka(brokers=3) as kafka:
        kafka.create_topic("ratings", 3)
        metadata = producer(kafka).list_topics(timeout=20)
        kafka.broker_down(3)
        kafka.broker_up(3)
    assert sorted(metadata.brokers) == [1, 2, 3]
    assert len(metadata.topics["ratings"].partitions[0].replicas) == 3


@pytest.mark.parametrize("broker", [0, 2])
def test_there_is_no_such_broker(kafka: EmbeddedKafka, broker: int) -> None:
    with pytest.raises(KafkaException):
        kafka.broker_down(broker)


def test_admin_requests_are_refused_at_once(kafka: EmbeddedKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    with pytest.raises(KafkaException, match="not supported by broker"):
        admin.create_topics([NewTopic("ratings", 1)])["ratings"].result(20)


def test_groups_form_and_commit(kafka: EmbeddedKafka) -> None:
    kafka.create_topic("ratings", 2)
    sender = producer(kafka)
    for partition in (0, 1):
        sender.produce("ratings", b"x", partition=partition)
    assert sender.flush(20) == 0
    config = {"bootstrap.servers": kafka.bootstrap, "group.id": "group", "auto.offset.reset": "earliest"}
    member = Consumer(config)
    member.subscribe(["ratings"])
    assert len(member.consume(2, 20)) == 2
    member.commit(asynchronous=False)
    committed = member.committed([TopicPartition("ratings", 0), TopicPartition("ratings", 1)], 20)
    member.close()
    assert [at.offset for at in committed] == [1, 1]


def test_closed_is_closed(kafka: EmbeddedKafka) -> None:
    kafka.close()
    kafka.close()
    with pytest.raises(RuntimeError, match="closed"):
        kafka.create_topic("ratings", 1)
    with pytest.raises(RuntimeError, match="closed"):
        _ = kafka.bootstrap


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("confluent_kafka.libs/librdkafka-0cb94173.so.1", True),
        ("confluent_kafka/.dylibs/librdkafka.1.dylib", True),
        ("confluent_kafka.libs/libssl.so.3", False),
    ],
)
def test_where_the_library_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, found: bool
) -> None:
    library = tmp_path / file
    library.parent.mkdir(parents=True)
    library.touch()
    monkeypatch.setattr(confluent_kafka, "__file__", str(tmp_path / "confluent_kafka" / "__init__.py"))
    monkeypatch.setattr(module, "find_library", lambda _name: None)
    if found:
        assert module._library_path() == str(library)
    else:
        with pytest.raises(LibraryNotFoundError, match="pip install --only-binary"):
            module._library_path()
