"""The Kafka sink, in flows of its own, on a real Kafka."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main
from confluent_kafka import KafkaException

from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.topics import Reader
from servers.topics import read as read_all
from sinks.errors import Refused
from sinks.kafka import KafkaMessage, KafkaRecord, KafkaSink, check

Batches = list[tuple[str, list[KafkaMessage]]]


def run(sink: KafkaSink, batches: Batches) -> None:
    flow = Dataflow("flow")
    op.output("out", op.input("in", flow, TestingSource(batches)), sink)
    run_main(flow)


def read(kafka: Kafka | EmbeddedKafka, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    """All messages of a topic, by partition and offset; those of aborted transactions, too."""
    with Reader(kafka.bootstrap, topic, isolation_level="read_uncommitted") as reader:
        messages = sorted(reader.read(), key=lambda message: (message.partition() or 0, message.offset() or 0))
    return [(message.key(), message.value()) for message in messages]


def small(count: int, size: int = 100) -> list[KafkaMessage]:
    return [KafkaMessage(str(number), b"%d " % number + b"x" * size) for number in range(count)]


def as_read(messages: list[KafkaMessage]) -> set[tuple[bytes, bytes]]:
    return {(str(key).encode(), value) for key, value, *_ in messages}


def test_writes_keys_and_values(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("out")
    kafka.create_topic(topic, partitions=3)
    messages = [
        KafkaMessage("text", b"1"),
        KafkaMessage(b"bytes", b"2"),
        KafkaMessage(None, b"3"),
        KafkaMessage("ключ", b"4"),
    ]
    run(KafkaSink(topic, {"bootstrap.servers": kafka.bootstrap}), [("lane", messages)])
    assert sorted(read(kafka, topic), key=str) == sorted(
        [(b"text", b"1"), (b"bytes", b"2"), (None, b"3"), ("ключ".encode(), b"4")], key=str
    )


def test_keys_go_where_java_puts_them(kafka: Kafka, topics: Callable[[str], str]) -> None:
    # As org.apache.kafka.common.utils.Utils has it: toPositive(murmur2(key)) % partitions.
    topic = topics("out")
    kafka.create_topic(topic, partitions=4)
    run(
        KafkaSink(topic, {"bootstrap.servers": kafka.bootstrap}),
        [("lane", [KafkaMessage(str(key), b"") for key in range(200)])],
    )
    expected = {str(key).encode(): (murmur2(str(key).encode()) & 0x7FFFFFFF) % 4 for key in range(200)}
    assert {message.key(): message.partition() for message in read_all(kafka.bootstrap, topic)} == expected


def test_more_than_the_queue_takes(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("out")
    kafka.create_topic(topic, partitions=1)
    messages = small(20_000)
    run(
        KafkaSink(topic, {"bootstrap.servers": kafka.bootstrap, "queue.buffering.max.messages": 500}), [("a", messages)]
    )
    assert {key for key, _ in read(kafka, topic)} == {str(number).encode() for number in range(20_000)}


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_a_message_over_the_topics_limit_goes_elsewhere_alone(
    kafka: Kafka, topics: Callable[[str], str], compression: str
) -> None:
    topic, elsewhere = topics("out"), topics("elsewhere")
    kafka.create_topic(topic, partitions=1, max_message_bytes=2000)
    kafka.create_topic(elsewhere, partitions=1)
    noise = random.Random(1).randbytes
    large = [KafkaMessage("large 1", noise(5000)), KafkaMessage("large 2", noise(3000))]
    fine = small(300, size=80)
    reasons = []
    told = list[tuple[int, Sequence[tuple[str, str]]]]()

    def rejected(record: KafkaRecord, why: str) -> tuple[str, KafkaRecord]:
        reasons.append(why)
        return elsewhere, record

    config = {"bootstrap.servers": kafka.bootstrap, "compression.type": compression, "linger.ms": 50}
    sink = KafkaSink(topic, config, rejected=rejected, limit=lambda *what: told.append(what))
    run(sink, [("a", [*fine[:150], large[0], *fine[150:], large[1]])])
    assert {(key, value) for key, value in read(kafka, topic)} == as_read(fine)
    assert {(key, value) for key, value in read(kafka, elsewhere)} == as_read(large)
    assert all("larger than its topic takes" in reason for reason in reasons)
    assert sum(taken for taken, _ in told) == len(fine)
    assert [why for _, errors in told for why in errors] == [("MessageTooLarge", reason) for reason in reasons]


def test_a_limit_stops_the_flow_at_messages_that_are_too_large(
    kafka: Kafka, topics: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    topic, elsewhere = topics("out"), topics("elsewhere")
    kafka.create_topic(topic, partitions=1)
    kafka.create_topic(elsewhere, partitions=1)

    def limit(taken: int, errors: Sequence[tuple[str, str]]) -> None:
        if errors:
            raise Refused(f"{len(errors)} of {taken + len(errors)}: {errors[0][0]}")

    config = {"bootstrap.servers": kafka.bootstrap}
    sink = KafkaSink(
        topic, config, rejected=lambda record, why: (elsewhere, KafkaMessage(record.key, why.encode())), limit=limit
    )
    with pytest.raises(RuntimeError):
        run(sink, [("a", [KafkaMessage("k", b"x" * 2_000_000), KafkaMessage("fine", b"y")])])
    assert caplog.messages == ["Refused: 1 of 2: MessageTooLarge"]
    assert not any(record.exc_info for record in caplog.records)


def test_a_message_over_the_producers_limit_goes_elsewhere(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic, elsewhere = topics("out"), topics("elsewhere")
    kafka.create_topic(topic, partitions=1)
    kafka.create_topic(elsewhere, partitions=1)
    config = {"bootstrap.servers": kafka.bootstrap}

    def rejected(record: KafkaRecord, why: str) -> tuple[str, KafkaMessage]:
        return elsewhere, KafkaMessage(record.key, why.encode())

    messages = [KafkaMessage("k", b"x" * 2_000_000), KafkaMessage("fine", b"y")]
    run(KafkaSink(topic, config, rejected=rejected), [("a", messages)])
    assert read(kafka, topic) == [(b"fine", b"y")]
    ((key, why),) = read(kafka, elsewhere)
    assert key == b"k"
    assert why is not None
    assert b"2,000,000 bytes" in why


def test_without_an_elsewhere_it_stops_the_flow(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("out")
    kafka.create_topic(topic, partitions=1)
    with pytest.raises(RuntimeError) as error:
        run(KafkaSink(topic, {"bootstrap.servers": kafka.bootstrap}), [("a", [KafkaMessage("k", b"x" * 2_000_000)])])
    assert "nowhere else" in chain(error.value)


def test_a_broker_killed_and_restarted_in_the_middle_loses_nothing(tmp_path: Path, kafka_runs_here: None) -> None:
    with Kafka(tmp_path) as broker:
        broker.create_topic("out", partitions=2)
        lane = KafkaSink("out", {"bootstrap.servers": broker.bootstrap}).build_part("step", "0000", None)
        messages = small(50_000)

        def power_cut() -> None:
            time.sleep(0.5)
            broker.kill()
            broker.start()

        cut = threading.Thread(target=power_cut)
        cut.start()
        for start in range(0, len(messages), 1000):
            lane.write_batch([messages[start : start + 1000]])
            time.sleep(0.03)
        lane.snapshot()
        cut.join()
        found = read(broker, "out")
    assert len(found) == len(messages)
    assert {(key, value) for key, value in found} == as_read(messages)


def test_lanes_are_spread_over_workers() -> None:
    sink = KafkaSink("out", {}, lanes=12)
    assert sink.list_parts() == sorted(sink.list_parts())
    assert len({sink.part_fn(str(key)) % 12 for key in range(200)}) == 12


def test_a_configuration_that_loses_messages_is_refused() -> None:
    with pytest.raises(KafkaException, match="acks"):
        check({"bootstrap.servers": "127.0.0.1:1", "acks": "1"})


def chain(error: BaseException | None) -> str:
    return f"{error} {chain(error.__cause__)}" if error else ""


def murmur2(data: bytes) -> int:
    """Kafka's hash of a key, unsigned."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)
