"""The Kafka source, in flows of its own, on a real Kafka."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from records.message import Poll
from sources.kafka import KafkaSource
from tests.servers.kafka import Kafka

Source = Callable[..., KafkaSource]


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    name = topics("source")
    kafka.create_topic(name, partitions=2)
    return name


@pytest.fixture
def config(kafka: Kafka, topic: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka.bootstrap, "group.id": topic}


def write(kafka: Kafka, topic: str, values: list[bytes], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, b"key", partition)
    assert producer.flush(30) == 0


def run(source: KafkaSource, out: list[Poll], recovery: Path | None = None, epoch: timedelta | None = None) -> None:
    flow = Dataflow("flow")
    op.output("out", op.input("in", flow, source), TestingSink(out))
    store = RecoveryConfig(str(recovery)) if recovery else None
    run_main(flow, epoch_interval=epoch or timedelta(milliseconds=100), recovery_config=store)


def messages(polls: list[Poll]) -> list[Message]:
    return [message for poll in polls for message in poll.messages]  # type: ignore[misc]


def values(polls: list[Poll]) -> list[bytes | None]:
    return [message.value() for message in messages(polls)]


def until(out: list[Poll], count: int, seconds: float = 20, then: float = 0) -> Callable[[], bool]:
    """Stop when so many messages are out, and `then` seconds have passed; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    reached: list[float] = []

    def stopping() -> bool:
        assert time.monotonic() < deadline, f"only {len(messages(out))} of {count} messages"
        if len(messages(out)) >= count:
            reached.append(time.monotonic())
        return bool(reached) and time.monotonic() >= reached[0] + then

    return stopping


def committed(config: dict[str, Any], topic: str, partition: int = 0) -> int:
    consumer = Consumer(config)
    try:
        return consumer.committed([TopicPartition(topic, partition)], timeout=10)[0].offset
    finally:
        consumer.close()


def numbered(first: int, last: int) -> list[bytes]:
    return [str(number).encode() for number in range(first, last)]


def test_reads_every_partition_in_order(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    write(kafka, topic, numbered(0, 5000), partition=0)
    write(kafka, topic, numbered(5000, 10_000), partition=1)
    out: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(out, 10_000)), out)
    for partition, expected in ((0, numbered(0, 5000)), (1, numbered(5000, 10_000))):
        mine = [poll for poll in out if poll.partition == partition]
        assert values(mine) == expected
        assert [message.offset() for message in messages(mine)] == list(range(5000))
    assert {poll.loaded_of for poll in out} == {None}


def test_goes_on_from_the_recovery_store(kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 100)), first, tmp_path)
    write(kafka, topic, numbered(100, 150))
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 50, then=0.3)), second, tmp_path)
    assert values(second) == numbered(100, 150)


def test_goes_on_from_the_committed_offset_without_a_recovery_store(
    kafka: Kafka, topic: str, config: dict[str, Any]
) -> None:
    write(kafka, topic, numbered(0, 100))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 100, then=1)), first)
    assert committed(config, topic) == 100
    write(kafka, topic, numbered(100, 150))
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 50, then=0.3)), second)
    assert values(second) == numbered(100, 150)


def test_commits_no_offset_before_it_is_old_enough(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    write(kafka, topic, numbered(0, 100))
    out: list[Poll] = []
    late = timedelta(seconds=30)
    run(KafkaSource(topic, config, stopping=until(out, 100, then=1), commit_after=late), out)
    assert committed(config, topic) < 0
    later: list[Poll] = []
    soon = timedelta(seconds=1)
    run(KafkaSource(topic, config, stopping=until(later, 100, then=2), commit_after=soon), later)
    assert committed(config, topic) == 100


def test_reads_the_whole_topic_at_every_start_and_marks_its_end(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100))
    for seen in (0, 100):
        out: list[Poll] = []
        run(KafkaSource(topic, config, whole_topic=True, stopping=until(out, 100, then=0.5)), out, tmp_path)
        assert values(out) == numbered(0, 100)
        marks = [(poll.partition, poll.loaded_of) for poll in out if poll.loaded_of is not None]
        assert sorted(marks) == [(0, 2), (1, 2)], "one marker a partition, the empty one, too"
        assert {poll.seen for poll in out if poll.partition == 0} == {seen}


def test_an_end_behind_a_transaction_is_found(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"committed" if commit else b"aborted", b"key", 0)
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)
    out: list[Poll] = []
    deadline = time.monotonic() + 20

    def loaded() -> bool:
        assert time.monotonic() < deadline, out
        return {poll.partition for poll in out if poll.loaded_of} == {0, 1}

    run(KafkaSource(topic, config, whole_topic=True, stopping=loaded), out)
    assert values(out) == [b"committed"]


def test_offsets_that_retention_removed_are_passed_over_and_counted(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 100)), first, tmp_path)
    write(kafka, topic, numbered(100, 200))
    admin = kafka.admin()  # a client that is gone answers nothing
    admin.delete_records([TopicPartition(topic, 0, 150)])[TopicPartition(topic, 0)].result(30)
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 50, then=0.3)), second, tmp_path)
    assert values(second) == numbered(150, 200)
    assert "50 messages were removed by retention" in caplog.text


def test_a_topic_made_anew_is_read_from_its_start(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 100)), first, tmp_path)
    admin = kafka.admin()
    admin.delete_topics([topic], operation_timeout=30)[topic].result(30)
    time.sleep(1)
    kafka.create_topic(topic, partitions=2)
    write(kafka, topic, numbered(0, 10))
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 10, then=0.3)), second, tmp_path)
    assert values(second) == numbered(0, 10)
    assert "made anew" in caplog.text


def test_state_of_another_topic_is_not_used(
    kafka: Kafka, topic: str, topics: Callable[[str], str], config: dict[str, Any], tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 100)), first, tmp_path)
    other = topics("other")
    kafka.create_topic(other, partitions=2)
    write(kafka, other, numbered(0, 200))
    second: list[Poll] = []
    run(KafkaSource(other, config, stopping=until(second, 200)), second, tmp_path)
    assert values(second) == numbered(0, 200)


def test_partitions_added_since_are_found_at_the_next_start(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 10))
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 10)), first, tmp_path)
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    time.sleep(1)
    write(kafka, topic, numbered(10, 20), partition=2)
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 10, then=0.3)), second, tmp_path)
    assert values(second) == numbered(10, 20)


def test_reads_nothing_before_it_is_ready(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    write(kafka, topic, numbered(0, 10))
    out: list[Poll] = []
    opens = time.monotonic() + 1.5
    early: list[int] = []

    def ready() -> bool:
        if time.monotonic() < opens:
            early.append(len(out))
            return False
        return True

    run(KafkaSource(topic, config, ready=ready, stopping=until(out, 10)), out)
    assert early
    assert not any(early)


def test_no_more_than_its_share_in_an_epoch(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    write(kafka, topic, numbered(0, 20_000))
    out: list[Poll] = []
    began = time.monotonic()
    source = KafkaSource(topic, config, stopping=until(out, 20_000), max_messages_per_epoch=4000)
    run(source, out, epoch=timedelta(seconds=0.5))
    assert time.monotonic() - began > 4 * 0.4, "five epochs' worth"
