"""One consumer for all partitions of a worker, on a real Kafka."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bytewax.inputs import StatefulSourcePartition
from confluent_kafka import Consumer, TopicPartition

from messages.message import Message, Poll
from servers import topics
from servers.kafka import Kafka
from servers.topics import Record
from sources.kafka import KafkaSource
from sources.kafka.position import to_metadata


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    return topics("reader")


@pytest.fixture
def config(kafka: Kafka, topic: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0}


def write(kafka: Kafka, topic: str, partition: int, count: int, size: int = 10) -> None:
    records = [Record(None, str(number).zfill(size), partition) for number in range(count)]
    topics.write(kafka.bootstrap, topic, records)


def build(source: KafkaSource) -> list[StatefulSourcePartition[Poll, bytes]]:
    return [source.build_part("in", part, None) for part in source.list_parts()]


def close(partitions: list[StatefulSourcePartition[Poll, bytes]]) -> None:
    for partition in partitions:
        partition.close()


def read(
    partitions: list[StatefulSourcePartition[Poll, bytes]], done: Callable[[list[Poll]], bool], seconds: float = 20
) -> list[Poll]:
    """What the partitions send on, read in turn, until that is enough."""
    out: list[Poll] = []
    deadline = time.monotonic() + seconds
    while not done(out):
        assert time.monotonic() < deadline, [(poll.partition, len(poll.messages)) for poll in out[-20:]]
        polls = [poll for partition in partitions for poll in partition.next_batch()]
        out += polls
        if not polls:
            time.sleep(0.005)
    return out


def values(polls: list[Poll], partition: int) -> list[int]:
    mine = [poll for poll in polls if poll.partition == partition]
    return [int((message.value() or b"")[-6:]) for poll in mine for message in poll.messages]


def test_partitions_of_a_worker_share_threads(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    kafka.create_topic(topic, partitions=24)
    for partition in (0, 11, 23):
        write(kafka, topic, partition, 3000)
    source = KafkaSource(topic, config)
    source.list_parts()  # the watcher's threads
    before = len(os.listdir("/proc/self/task"))
    partitions = build(source)
    out = read(partitions, lambda out: sum(len(poll.messages) for poll in out) == 9000)
    assert len(os.listdir("/proc/self/task")) - before < 8
    close(partitions)
    assert {partition: values(out, partition) for partition in range(24)} == {
        partition: list(range(3000 if partition in (0, 11, 23) else 0)) for partition in range(24)
    }


def test_a_partition_that_reads_no_further_holds_up_no_other(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    kafka.create_topic(topic, partitions=2)
    write(kafka, topic, 0, 20_000)
    write(kafka, topic, 1, 20_000)
    away = {b"0".zfill(10)}

    def unready(messages: list[Message]) -> list[int]:
        return [index for index, message in enumerate(messages) if message.value() in away and message.partition() == 0]

    source = KafkaSource(topic, config, unready=unready, max_parked=1)
    partitions = build(source)
    out = read(partitions, lambda out: len(values(out, 1)) == 20_000)
    assert len(values(out, 0)) < 3_000
    away.clear()
    out += read(partitions, lambda more: len(values([*out, *more], 0)) == 20_000)
    close(partitions)
    assert values(out, 1) == list(range(20_000))
    assert sorted(values(out, 0)) == list(range(20_000))


def test_large_messages_that_wait_are_bounded(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    kafka.create_topic(topic, partitions=2)
    write(kafka, topic, 0, 200, size=100_000)
    write(kafka, topic, 1, 200, size=100_000)
    source = KafkaSource(topic, config, max_bytes=4 << 20)
    partitions = build(source)
    out = read(partitions, lambda out: all(len(values(out, partition)) == 200 for partition in (0, 1)))
    close(partitions)
    # What is in the queue comes with one poll: half of the bytes, and a fetch that was under way.
    assert max(len(poll.messages) for poll in out) < 60


def test_offsets_of_an_earlier_topic_that_were_committed_late_are_not_used(
    kafka: Kafka, topic: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    kafka.create_topic(topic, partitions=2)
    for partition in (0, 1):
        write(kafka, topic, partition, 10)
    consumer = Consumer(config)
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, to_metadata("another-id"))], asynchronous=False)
    consumer.commit(offsets=[TopicPartition(topic, 1, 7)], asynchronous=False)  # by hand
    consumer.close()
    partitions = build(KafkaSource(topic, config))
    out = read(partitions, lambda out: sum(len(poll.messages) for poll in out) == 13)
    close(partitions)
    assert (values(out, 0), values(out, 1)) == (list(range(10)), [7, 8, 9])
    assert f"{topic}-0: the offset in the consumer group, 7, is not there (the topic was recreated)" in caplog.text


def committed(kafka: Kafka, group: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group, "log_level": 0})
    try:
        return consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset
    finally:
        consumer.close()


def test_a_commit_that_is_refused_is_tried_again(
    kafka: Kafka, topic: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    kafka.create_topic(topic, partitions=1)
    write(kafka, topic, 0, 10)
    partitions = build(KafkaSource(topic, config))
    read(partitions, lambda out: len(values(out, 0)) == 10)
    member = Consumer(config)  # while the group has members, nobody else may commit
    member.subscribe([topic])
    while not member.assignment():
        member.poll(0.1)
    partitions[0].snapshot()
    partitions[0].snapshot()
    read(partitions, lambda _: f"{topic}-0: the offset was not committed" in caplog.text)
    member.close()
    deadline = time.monotonic() + 20
    while committed(kafka, topic, topic) != 10:
        assert time.monotonic() < deadline
        partitions[0].snapshot()
        partitions[0].next_batch()
    close(partitions)


def test_a_close_without_brokers_ends(tmp_path: Path, topic: str, kafka_runs_here: None) -> None:
    with Kafka(tmp_path / "kafka") as kafka:
        kafka.create_topic(topic, partitions=1)
        write(kafka, topic, 0, 10)
        config = {"bootstrap.servers": kafka.bootstrap, "group.id": topic, "log_level": 0}
        partitions = build(KafkaSource(topic, config))
        read(partitions, lambda out: len(values(out, 0)) == 10)
        kafka.kill()
        for _ in range(2):
            partitions[0].snapshot()
        began = time.monotonic()
        close(partitions)
        assert time.monotonic() - began < 15
