"""The Kafka source, in flows of its own, on a real Kafka."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import StatefulSourcePartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions
from prometheus_client import REGISTRY

from messages.message import Message as KafkaMessage
from messages.message import Poll
from servers import topics
from servers.kafka import Kafka
from servers.topics import Record
from sources.kafka import MAX_MESSAGES, KafkaSource
from sources.kafka.position import Position
from sources.kafka.state import PartitionState, StateError, pack, unpack

Source = Callable[..., KafkaSource]


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    name = topics("source")
    kafka.create_topic(name, partitions=2)
    return name


@pytest.fixture
def config(kafka: Kafka, topic: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka.bootstrap, "group.id": topic}


def write(kafka: Kafka, topic: str, values: list[bytes], partition: int = 0, key: bytes | None = b"key") -> None:
    topics.write(kafka.bootstrap, topic, [Record(key, value, partition) for value in values])


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
    assert "recreated" in caplog.text


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


class Away:
    """The values that cannot be decoded yet."""

    def __init__(self, *values: bytes) -> None:
        self.values = set(values)

    def __call__(self, messages: list[KafkaMessage]) -> list[int]:
        return [index for index, message in enumerate(messages) if message.value() in self.values]


def then(first: Callable[[], bool], do: Callable[[], object], last: Callable[[], bool]) -> Callable[[], bool]:
    """Once the first holds, do that, and stop at the last."""
    done: list[object] = []

    def stopping() -> bool:
        if not done and first():
            done.append(do())
        return bool(done) and last()

    return stopping


def metric(name: str, topic: str) -> float:
    return REGISTRY.get_sample_value(name, {"topic": topic}) or 0


@pytest.mark.parametrize(
    ("keys", "by_key", "at_once", "later"),
    [
        pytest.param("-------", True, "0 2 4 6", "1 3 5", id="without keys"),
        pytest.param("abcabcd", True, "0 2 6", "1 3 4 5", id="of its key those after it wait"),
        pytest.param("aaaaaaa", True, "0", "1 2 3 4 5 6", id="one key"),
        pytest.param("aaaaaaa", False, "0 2 4 6", "1 3 5", id="keys without order"),
    ],
)
def test_messages_that_cannot_be_decoded_yet_are_parked(
    kafka: Kafka,
    topic: str,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    keys: str,
    by_key: bool,
    at_once: str,
    later: str,
) -> None:
    caplog.set_level(logging.INFO)
    for number, key in enumerate(keys):
        write(kafka, topic, numbered(number, number + 1), key=None if key == "-" else key.encode())
    away = Away(b"1", b"3", b"5")
    out: list[Poll] = []
    waiting: list[float] = []

    def return_() -> None:
        waiting.append(metric("kafka_source_aside", topic))
        away.values.clear()

    stopping = then(until(out, len(at_once.split()), then=0.7), return_, until(out, 7))
    run(KafkaSource(topic, config, stopping=stopping, unready=away, park_by_key=by_key), out)
    assert b" ".join(values(out)).decode() == f"{at_once} {later}"  # type: ignore[arg-type]
    assert waiting == [len(later.split())]
    assert metric("kafka_source_aside", topic) == 0
    assert metric("kafka_source_messages_total", topic) == 7
    logged = [record.getMessage() for record in caplog.records if record.name == "sources.kafka"]
    assert len(logged) == 2
    assert f"{topic}-0: messages are parked until they can be decoded, from offset 1 on" in logged[0]
    assert logged[1] == f"{topic}-0: no message is parked any longer"


def test_parked_messages_go_on_in_the_next_runs(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 10), key=None)
    for away, expected in (
        (Away(b"3", b"5", b"7"), [b"0", b"1", b"2", b"4", b"6", b"8", b"9"]),
        (Away(b"3", b"7"), [b"5"]),
        (Away(b"3", b"7", b"10"), [b"11"]),
        (Away(b"7"), [b"3", b"10"]),
        (None, [b"7"]),
    ):
        if expected == [b"11"]:
            write(kafka, topic, numbered(10, 12), key=None)
        out: list[Poll] = []
        stopping = until(out, len(expected), then=0.7)
        run(KafkaSource(topic, config, stopping=stopping, unready=away), out, tmp_path)
        assert values(out) == expected
        assert metric("kafka_source_aside", topic) == 0, "of this process"
        assert committed(config, topic) == min([int(value) for value in (away.values if away else ())] + [12])


def test_parked_messages_survive_a_crash(kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 10), key=None)
    first: list[Poll] = []
    snapshots_are_taken = until(first, 8, then=1)

    def crash() -> bool:
        if snapshots_are_taken():
            raise RuntimeError("a crash")
        return False

    with pytest.raises(RuntimeError):
        run(KafkaSource(topic, config, stopping=crash, unready=Away(b"0", b"9")), first, tmp_path)
    write(kafka, topic, numbered(10, 12), key=None)
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 4, then=0.3), unready=Away()), second, tmp_path)
    assert values(second) == [b"0", b"9", b"10", b"11"]


def test_no_offset_above_a_parked_message_is_committed(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    write(kafka, topic, numbered(0, 10), key=None)
    first: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(first, 8, then=1), unready=Away(b"3", b"5")), first)
    assert committed(config, topic) == 3
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 7, then=1), unready=Away()), second)
    assert values(second) == numbered(3, 10)
    assert committed(config, topic) == 10


def test_a_topic_is_loaded_when_no_message_of_it_is_parked(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 10), key=None)

    def source(**kwargs: Any) -> KafkaSource:
        return KafkaSource(topic, config, whole_topic=True, **kwargs)

    first: list[Poll] = []
    run(source(stopping=until(first, 9, then=0.7), unready=Away(b"3")), first, tmp_path)
    assert [poll.partition for poll in first if poll.loaded_of] == [1]

    away = Away(b"5", b"10")
    second: list[Poll] = []

    def go_on() -> None:
        write(kafka, topic, numbered(10, 11), key=None)  # behind the end of the start: it is not waited for
        time.sleep(0.5)
        away.values.remove(b"5")

    stopping = then(until(second, 9, then=0.7), go_on, until(second, 10, then=0.5))
    run(source(stopping=stopping, unready=away), second, tmp_path)
    mine = [poll for poll in second if poll.partition == 0]
    assert values(mine) == [*numbered(0, 5), *numbered(6, 10), b"5"]
    assert [poll.loaded_of for poll in mine] == [*[None] * (len(mine) - 1), 2]
    assert {poll.seen for poll in mine} == {3}, "parked messages have not been read"

    third: list[Poll] = []
    run(source(stopping=until(third, 11, then=0.3), unready=Away()), third, tmp_path)
    assert {poll.seen for poll in third if poll.partition == 0} == {10}


@pytest.mark.parametrize(
    "bound", [pytest.param({"max_parked": 100}, id="messages"), pytest.param({"max_parked_bytes": 300}, id="bytes")]
)
def test_a_partition_with_many_parked_messages_reads_no_further(
    kafka: Kafka, topic: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture, bound: dict[str, int]
) -> None:
    write(kafka, topic, [b"away", *numbered(1, 20_000)])
    away = Away(b"away")
    waiting: list[float] = []
    out: list[Poll] = []

    def full() -> bool:
        waiting.append(metric("kafka_source_aside", topic))
        return len(waiting) > 20 and waiting[-20] > 0

    stopping = then(full, away.values.clear, until(out, 20_000))
    source = KafkaSource(topic, config, stopping=stopping, unready=away, park_by_key=True, **bound)  # type: ignore[arg-type]
    run(source, out)
    assert values(out) == [b"away", *numbered(1, 20_000)]
    assert max(len(poll.messages) for poll in out) <= MAX_MESSAGES
    assert 100 <= max(waiting) < 100 + MAX_MESSAGES
    assert caplog.text.count("reads no further") == 1


def test_parked_messages_that_retention_removed_are_counted(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 10), key=None)
    first: list[Poll] = []
    away = Away(b"3", b"5", b"7")
    run(KafkaSource(topic, config, stopping=until(first, 7, then=0.3), unready=away), first, tmp_path)
    admin = kafka.admin()
    for upto, expected, skipped in ((6, [b"10"], 2), (9, [b"11"], 3)):
        admin.delete_records([TopicPartition(topic, 0, upto)])[TopicPartition(topic, 0)].result(30)
        write(kafka, topic, expected, key=None)
        out: list[Poll] = []
        run(KafkaSource(topic, config, stopping=until(out, 1, then=0.3), unready=away), out, tmp_path)
        assert values(out) == expected
        assert metric("kafka_source_skipped_total", topic) == skipped
    assert "2 parked messages are no longer on the topic" in caplog.text


def test_parked_messages_of_a_topic_made_anew_are_not_waited_for(
    kafka: Kafka, topic: str, config: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    init_db_dir(tmp_path, 1)
    write(kafka, topic, numbered(0, 100), key=None)
    first: list[Poll] = []
    away = Away(b"3", b"50")
    run(KafkaSource(topic, config, stopping=until(first, 98, then=0.3), unready=away), first, tmp_path)
    admin = kafka.admin()
    admin.delete_topics([topic], operation_timeout=30)[topic].result(30)
    time.sleep(1)
    kafka.create_topic(topic, partitions=2)
    write(kafka, topic, numbered(0, 10), key=None)
    second: list[Poll] = []
    run(KafkaSource(topic, config, stopping=until(second, 10, then=0.3), unready=Away()), second, tmp_path)
    assert values(second) == numbered(0, 10)
    assert metric("kafka_source_skipped_total", topic) == 2
    assert "2 parked messages are no longer on the topic" in caplog.text
    assert "recreated" in caplog.text


def position(source: KafkaSource, partition: StatefulSourcePartition[Poll, bytes]) -> Position:
    return unpack(partition.snapshot(), source.topic).position


def read_to_the_end(source: KafkaSource, begin: Position, end: int) -> list[bytes | None]:
    """What the first partition emits, from that position until it has read up to `end` and no message is parked."""
    source.list_parts()
    partition = source.build_part("in", "00000", pack(PartitionState(source.topic, begin)))
    out: list[Poll] = []
    deadline = time.monotonic() + 20
    while (at := position(source, partition)).parked or at.next < end:
        assert time.monotonic() < deadline, f"{values(out)}, {at}"
        out += list(partition.next_batch())
        time.sleep(0.01)
    partition.close()
    return values(out)


@pytest.mark.parametrize(
    ("begin", "expected", "gone"),
    [
        pytest.param(Position(4), [b"c"], 0, id="nothing is parked"),
        pytest.param(Position(2, (0,)), [b"a", b"b", b"c"], 0, id="nothing to pass over"),
        pytest.param(Position(4, (0,)), [b"a", b"c"], 0, id="one to pass over"),
        pytest.param(Position(5, (0, 4)), [b"a", b"c"], 0, id="nothing is new"),
        pytest.param(Position(5, (0, 3)), [b"a"], 1, id="one is gone, with others behind it"),
        pytest.param(Position(4, (3,)), [b"c"], 1, id="one is gone, with new ones behind it"),
        pytest.param(Position(6, (2, 5)), [b"b"], 1, id="one is gone, at the end"),
    ],
)
def test_goes_on_from_every_position_over_offsets_with_gaps(
    kafka: Kafka, topic: str, config: dict[str, Any], begin: Position, expected: list[bytes], gone: int
) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for value in (b"a", b"b", b"c"):  # at 0, 2 and 4, with the transactions' markers between
        producer.begin_transaction()
        producer.produce(topic, value, None, 0)
        producer.commit_transaction(30)
    assert read_to_the_end(KafkaSource(topic, config), begin, 5) == expected
    assert metric("kafka_source_skipped_total", topic) == gone


def test_what_lies_far_between_is_skipped(kafka: Kafka, topic: str, config: dict[str, Any]) -> None:
    count = 50_000
    write(kafka, topic, numbered(0, count), key=None)
    begin = Position(count - 2, (0, 5, 25_000, 25_001))
    parked = [b"0", b"5", b"25000", b"25001"]
    assert read_to_the_end(KafkaSource(topic, config), begin, count) == [*parked, *numbered(count - 2, count)]


@pytest.mark.parametrize(
    ("upto", "expected", "skipped"),
    [
        pytest.param(200, [b"0", b"250", *numbered(290, 310)], 1, id="some of it"),
        pytest.param(300, [b"0", *numbered(300, 310)], 12, id="all of it that is not in memory, and ten new ones"),
    ],
)
def test_retention_passes_by_while_parked_messages_are_read_again(
    kafka: Kafka,
    topic: str,
    config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    upto: int,
    expected: list[bytes],
    skipped: int,
) -> None:
    for first in range(0, 300, 10):  # small batches, fetched one at a time
        write(kafka, topic, numbered(first, first + 10), key=None)
    away = Away(b"0")
    slowly = {**config, "queued.min.messages": 1, "fetch.message.max.bytes": 1}
    source = KafkaSource(topic, slowly, unready=away)
    source.list_parts()
    begin = PartitionState(topic, Position(290, (0, 150, 250)))
    partition = source.build_part("in", "00000", pack(begin))
    deadline = time.monotonic() + 20
    while metric("kafka_source_messages_total", topic) < 1:
        assert time.monotonic() < deadline
        assert partition.next_batch() == []
    admin = kafka.admin()
    admin.delete_records([TopicPartition(topic, 0, upto)])[TopicPartition(topic, 0)].result(30)
    write(kafka, topic, numbered(300, 310), key=None)
    out: list[Poll] = []
    while (at := position(source, partition)) != Position(310, (), at.topic_id):
        if metric("kafka_source_skipped_total", topic) == skipped:
            away.values.clear()
        assert time.monotonic() < deadline, f"{values(out)}, {at}"
        out += list(partition.next_batch())
        time.sleep(0.01)
    partition.close()
    assert sorted(values(out), key=int) == expected  # type: ignore[arg-type]
    assert metric("kafka_source_skipped_total", topic) == skipped
    assert "recreated" not in caplog.text


@pytest.mark.parametrize("part", [pytest.param("00000", id="on the topic"), pytest.param("00007", id="vacant")])
@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"version": 2, "topic": "t", "id": None, "next": 7, "aside": ()}, id="as version 2 was"),
        pytest.param(("t", 7, (3,)), id="as version 1 was"),
        pytest.param(b'{"state":"sources.kafka.v2","topic":"t"}', id="a later version"),
    ],
)
def test_a_state_of_another_version_is_refused_in_a_line(
    topic: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture, state: Any, part: str
) -> None:
    source = KafkaSource(topic, config)
    source.list_parts()
    with pytest.raises(StateError, match=r"is not sources\.kafka\.v1 .*: start the version of the job that wrote it"):
        source.build_part("flow.in", part, state)
    (line,) = caplog.messages
    assert line.startswith(f"{topic}: StateError: the state of partition {int(part)} of flow.in in the recovery store ")
