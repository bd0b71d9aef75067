"""Messages that are read again by their places, on a real Kafka."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from servers import topics
from servers.kafka import Kafka
from servers.topics import Headers, Record
from sources.kafka import Originals


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    name = topics("originals")
    kafka.create_topic(name, partitions=2)
    return name


@pytest.fixture
def originals(kafka: Kafka, topic: str) -> Iterator[Originals]:
    originals = Originals(topic, {"bootstrap.servers": kafka.bootstrap, "group.id": topic}, gone=0.5)
    yield originals
    originals.close()


def write(kafka: Kafka, topic: str, count: int, partition: int) -> None:
    headers: Headers = [("a", b"b")]
    records = (Record(b"key", f"{partition}:{number}", partition, number + 1, headers) for number in range(count))
    topics.write(kafka.bootstrap, topic, records)


def values(read: dict[tuple[int, int], Any]) -> dict[tuple[int, int], str]:
    return {place: message.value().decode() for place, message in read.items()}


def test_messages_are_read_by_their_places(kafka: Kafka, topic: str, originals: Originals) -> None:
    write(kafka, topic, 30_000, partition=0)
    write(kafka, topic, 20, partition=1)
    places = [(1, 7), (0, 29_999), (0, 0), (0, 1), (0, 3), (0, 15_000), (1, 0), (0, 0)]
    read = originals.read(places)
    assert values(read) == {place: f"{place[0]}:{place[1]}" for place in places}
    message = read[1, 7]
    assert (message.key(), message.headers(), message.timestamp()[1]) == (b"key", [("a", b"b")], 8)
    assert values(originals.read([(0, 5)])) == {(0, 5): "0:5"}, "again"


@pytest.mark.parametrize(
    "places",
    [
        pytest.param([], id="nothing"),
        pytest.param([(0, 10), (0, 10_000)], id="behind the end"),
        pytest.param([(0, 2), (0, 0)], id="removed by retention"),
        pytest.param([(1, 0)], id="an empty partition"),
        pytest.param([(7, 0)], id="no such partition"),
    ],
)
def test_what_is_not_there_is_left_out(
    kafka: Kafka, topic: str, originals: Originals, places: list[tuple[int, int]]
) -> None:
    write(kafka, topic, 10, partition=0)
    admin = kafka.admin()
    admin.delete_records([TopicPartition(topic, 0, 3)])[TopicPartition(topic, 0)].result(30)
    assert values(originals.read([*places, (0, 3)])) == {(0, 3): "0:3"}


def test_a_partition_that_the_brokers_do_not_know_yet_is_read(kafka: Kafka, topic: str) -> None:
    """So it is after a broker has started again. Here they do not know it because it is made while it is asked for."""

    def make() -> None:
        admin = kafka.admin()
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
        write(kafka, topic, 1, partition=2)

    originals = Originals(topic, {"bootstrap.servers": kafka.bootstrap, "group.id": topic}, gone=60)
    making = threading.Timer(0.5, make)
    making.start()
    try:
        first = originals.read([(2, 0)])  # it may be there before its message
        making.join()
        read = values(first or originals.read([(2, 0)]))
    finally:
        originals.close()
    assert read == {(2, 0): "2:0"}


def test_markers_and_aborted_messages_are_no_messages(kafka: Kafka, topic: str, originals: Originals) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for value, commit in ((b"0", True), (b"2", False), (b"4", True), (b"6", False)):
        producer.begin_transaction()
        producer.produce(topic, value, b"key", 0)
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
    read = originals.read((0, offset) for offset in range(8))
    assert values(read) == {(0, 0): "0", (0, 4): "4"}


def test_what_compaction_has_removed_is_left_out(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("compacted")
    kafka.create_topic(
        topic, 1, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio=0, max_compaction_lag_ms=100
    )
    config = {"bootstrap.servers": kafka.bootstrap, "group.id": topic}
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(5):
        producer.produce(topic, str(number), b"a" if number != 1 else b"b", 0)
    assert producer.flush(30) == 0
    expected = {(0, 1): "1", (0, 4): "4"}
    deadline = time.monotonic() + 60
    originals = Originals(topic, config)
    while (read := values(originals.read([(0, offset) for offset in range(5)]))) != expected:
        assert time.monotonic() < deadline, read
        producer.produce(topic, b"more", b"c", 0)  # rolls the segment: the active one is not compacted
        producer.flush(30)
        time.sleep(0.5)
    originals.close()


def test_brokers_that_do_not_answer_in_time_are_an_error() -> None:
    originals = Originals("topic", {"bootstrap.servers": "127.0.0.1:9", "group.id": "g", "log_level": 0}, deadline=1)
    began = time.monotonic()
    with pytest.raises(KafkaException):
        originals.read([(0, 0)])
    assert time.monotonic() - began < 5
    originals.close()


def test_many_messages_far_apart_are_read_in_a_moment(kafka: Kafka, topic: str, originals: Originals) -> None:
    """A snapshot waits for them: a destination may refuse one record in a hundred."""
    write(kafka, topic, 50_000, partition=0)
    places = [(0, offset) for offset in range(0, 50_000, 500)] + [(0, offset) for offset in range(7, 50_000, 5_000)]
    began = time.monotonic()
    assert originals.read(places).keys() == set(places)
    assert time.monotonic() - began < 5
