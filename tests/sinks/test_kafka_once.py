"""The Kafka sink with an identity: what a killed run has written is not written again. On a real Kafka.

A run here is a producer of its own, whose lanes go on from states that an earlier run has given.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]

from servers.kafka import Kafka
from sinks.kafka import Identity, KafkaMessage, KafkaRecord, KafkaSink, KafkaWriter
from sinks.kafka.messages import Headers
from sinks.kafka.state import LaneState
from sinks.kafka.topic import Topic
from sinks.kafka.written import Written
from sinks.state import decode
from tests.sinks.test_kafka import read

LANES = 4
BY_KEY = Identity(lambda record: record.key, lambda key, value, headers: text(key))
States = dict[str, bytes | None]

runs = itertools.count()


def text(key: bytes | None) -> str | None:
    """Whose keys are not text raises."""
    return None if key is None else key.decode()


class Run:
    """One process of a job that writes to one topic; which lanes it has is in ``states``."""

    def __init__(self, kafka: Kafka, topic: str, states: Iterable[tuple[str, bytes | None]], **more: Any) -> None:
        self.config = {
            "bootstrap.servers": kafka.bootstrap,
            "linger.ms": 1,
            "log_level": 0,
            "client.id": f"run-{next(runs)}",
        }
        self.sink = KafkaSink(topic, self.config, **{"identity": BY_KEY, "lanes": LANES, **more})
        self.lanes = {lane: self.sink.build_part("step", lane, state) for lane, state in states}

    def write(self, lane: str, *keys: str) -> None:
        self.lanes[lane].write_batch([[KafkaMessage(key, b"v") for key in keys]])

    def snapshot(self) -> States:
        return {name: lane.snapshot() for name, lane in self.lanes.items()}


def kept(states: States) -> list[LaneState]:
    return [decode(LaneState, state) for state in states.values() if state]


def fresh(lanes: int = LANES) -> States:
    return {f"{lane:04d}": None for lane in range(lanes)}


def keys(kafka: Kafka, topic: str) -> Counter[str]:
    return Counter((key or b"").decode(errors="replace") for key, _ in read(kafka, topic))


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    topic = topics("once")
    kafka.create_topic(topic, partitions=3)
    return topic


def written_since(kafka: Kafka, topic: str, *since: str) -> States:
    """States after "old"; a run was killed that had written these."""
    first = Run(kafka, topic, fresh().items())
    first.write("0000", "old")
    states = first.snapshot()
    first.write("0001", *since)
    first.snapshot()
    return states


def test_what_is_there_is_left_out_once(kafka: Kafka, topic: str) -> None:
    second = Run(kafka, topic, written_since(kafka, topic, "a", "b").items())
    second.write("0001", "a")
    assert all(state.spans for state in kept(second.snapshot())), "some may still come again"
    second.write("0001", "b", "c")
    assert [state.spans for state in kept(second.snapshot())] == [()] * LANES, "all has come again"
    second.write("0001", "a")  # not a repetition of what was killed
    second.snapshot()
    assert keys(kafka, topic) == {"old": 1, "a": 2, "b": 1, "c": 1}


def test_requests_that_arrive_late(kafka: Kafka, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = written_since(kafka, topic, "a")
    killed = Run(kafka, topic, fresh().items())
    late = ["late", "later"]

    def while_it_waits(_seconds: float) -> None:
        if late:
            killed.write("0000", late.pop(0))
            killed.snapshot()

    second = Run(kafka, topic, states.items())
    monkeypatch.setattr("sinks.kafka.written.time.sleep", while_it_waits)
    second.write("0000", "a", "late", "later")
    monkeypatch.undo()
    second.snapshot()
    assert keys(kafka, topic) == {"old": 1, "a": 1, "late": 1, "later": 1}


def test_what_does_not_come_again_is_forgotten(kafka: Kafka, topic: str) -> None:
    states = written_since(kafka, topic, "a")
    clock = [0.0]
    written = Written(Topic(topic, {"bootstrap.servers": kafka.bootstrap}), BY_KEY, lambda: clock[0])
    assert all(written.restore(state) for state in kept(states))
    for now, spans in ((0.0, 1), (599.0, 1), (600.0, 0)):
        clock[0] = now
        state = written.state()
        assert state is not None
        assert len(state.spans) == spans
    assert list(written.rest([KafkaMessage("a", b"v")])) == [KafkaMessage("a", b"v")]


def test_messages_of_others(kafka: Kafka, topic: str) -> None:
    states = written_since(kafka, topic, "a")
    others = Producer({"bootstrap.servers": kafka.bootstrap})
    for key, value in ((b"\xff\xfe", b"\x00garbage"), (None, b"x"), (b"theirs", None), (b"huge", b"x" * 900_000)):
        others.produce(topic, value, key)
    assert others.flush(30) == 0
    for outcome in ("commit_transaction", "abort_transaction"):
        transaction = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic}-{outcome}"})
        transaction.init_transactions(30)
        transaction.begin_transaction()
        for number in range(6):
            transaction.produce(topic, b"x", f"{outcome}-{number}")
        getattr(transaction, outcome)(30)
    second = Run(kafka, topic, states.items())
    second.write("0001", "a", "b")
    second.snapshot()
    found = keys(kafka, topic)
    assert {key: found[key] for key in ("old", "a", "b", "huge")} == {"old": 1, "a": 1, "b": 1, "huge": 1}


def test_a_partition_is_added(kafka: Kafka, topic: str) -> None:
    first = Run(kafka, topic, fresh().items())
    first.write("0000", "old")
    states = first.snapshot()
    admin = kafka.admin()
    admin.create_partitions([NewPartitions(topic, 9)])[topic].result(30)
    other = Run(kafka, topic, fresh().items())  # a producer learns of partitions after minutes, or at its start
    names = [f"key {number}" for number in range(50)]
    deadline = time.monotonic() + 30
    while len(Topic(topic, other.config).await_ends(10)) < 9:
        assert time.monotonic() < deadline
    other.write("0000", *names)
    assert len(kept(other.snapshot())[0].ends) == 9
    second = Run(kafka, topic, states.items())
    second.write("0000", *names, "new")
    second.snapshot()
    assert keys(kafka, topic) == Counter(["old", *names, "new"])


@pytest.mark.parametrize("more", [0, 500])
def test_the_topic_is_made_anew(kafka: Kafka, topic: str, more: int) -> None:
    states = written_since(kafka, topic, *[f"gone {number}" for number in range(90)])
    first = Run(kafka, topic, states.items())
    states = first.snapshot()
    deadline = time.monotonic() + 10
    while any(state.topic_id is None for state in kept(states)):
        assert time.monotonic() < deadline, "the topic's id is not known"
        states = first.snapshot()
    admin = kafka.admin()
    admin.delete_topics([topic])[topic].result(30)
    deadline = time.monotonic() + 30
    while True:
        try:
            kafka.create_topic(topic, partitions=3)
            break
        except KafkaException:  # the old one goes away in a while
            assert time.monotonic() < deadline
            time.sleep(0.2)
    anew = [f"new {number}" for number in range(3 + more)]
    killed = Run(kafka, topic, fresh().items())
    killed.write("0000", *anew)
    killed.snapshot()
    second = Run(kafka, topic, states.items())
    second.write("0000", *anew, "gone 1")
    second.snapshot()
    assert keys(kafka, topic) == Counter([*anew, "gone 1"])


def test_a_broker_that_is_restarted_in_between(tmp_path: Path, kafka_runs_here: None) -> None:
    with Kafka(tmp_path) as kafka:
        kafka.create_topic("once", partitions=3)
        states = written_since(kafka, "once", "a", "b")
        kafka.kill()
        back = threading.Timer(1, kafka.start)
        back.start()
        second = Run(kafka, "once", states.items())
        second.write("0001", "a", "b", "c")
        second.snapshot()
        back.join()
        assert keys(kafka, "once") == {"old": 1, "a": 1, "b": 1, "c": 1}


def test_ends_that_cannot_be_had_are_those_before(tmp_path: Path, kafka_runs_here: None) -> None:
    with Kafka(tmp_path) as kafka:
        kafka.create_topic("once", partitions=1)
        written = Written(Topic("once", {"bootstrap.servers": kafka.bootstrap}), BY_KEY)
        before = written.state()
        assert before is not None
        assert before.ends == (0,)
        written.rest([KafkaMessage("a", b"v")])
        kafka.kill()
        began = time.monotonic()
        for _ in range(16):
            state = written.state()
            assert state is not None
            assert state.ends == (0,)
        assert time.monotonic() - began < 10, "once for all lanes"


def test_another_topic_waits_for_its_baseline(kafka: Kafka, topic: str, topics: Callable[[str], str]) -> None:
    states = written_since(kafka, topic, "a")
    renamed = topics("renamed")
    kafka.create_topic(renamed, partitions=2)
    for first in (states.items(), fresh().items()):
        run = Run(kafka, renamed, first)
        assert not run.sink.has_baseline()
        again = Run(kafka, renamed, run.snapshot().items())
        assert run.sink.has_baseline()
        assert again.sink.has_baseline(), "at once"
    assert not KafkaSink(renamed, {}, identity=BY_KEY).has_baseline(), "no lane is there yet"
    assert KafkaSink(renamed, {}).has_baseline(), "without an identity there is nothing to wait for"


def test_without_an_identity_there_is_no_state(kafka: Kafka, topic: str) -> None:
    run = Run(kafka, topic, fresh().items(), identity=None)
    run.write("0000", "a", "a")
    assert set(run.snapshot().values()) == {None}
    assert keys(kafka, topic) == {"a": 2}


def test_other_writers_of_a_process_leave_it_out_too(kafka: Kafka, topic: str, topics: Callable[[str], str]) -> None:
    def instead(record: KafkaRecord, why: str) -> tuple[str, KafkaMessage]:
        assert isinstance(record.key, bytes)
        return topic, KafkaMessage(f"too large: {record.key.decode()}", b"v")

    noise = Random(1).randbytes
    limited = topics("limited")
    kafka.create_topic(limited, partitions=1, max_message_bytes=2000)
    for _ in range(2):
        run = Run(kafka, topic, written_since(kafka, topic, "too large: x", "by a writer", "a").items())
        KafkaWriter(topic, run.config).write([KafkaMessage("by a writer", b"v")])
        other = KafkaWriter(limited, run.config, rejected=instead)
        other.write([*(KafkaMessage(key, noise(5000)) for key in "xy"), KafkaMessage("fine", b"")])
        run.write("0000", "a")
        run.snapshot()
    # In the second round all of the first is old, and was written by another killed run: `written_since`.
    found = keys(kafka, topic)
    assert found == {"old": 2, "too large: x": 2, "by a writer": 2, "a": 2, "too large: y": 2}
    assert keys(kafka, limited) == {"fine": 2}


def test_an_identity_may_look_at_all_of_a_message(kafka: Kafka, topic: str) -> None:
    def of_message(key: bytes | None, value: bytes | None, headers: Headers) -> tuple[bytes | None, Headers]:
        return value, headers and headers[0][1]

    identity = Identity(lambda record: (record.value, record.headers and record.headers[0][1]), of_message)
    records = [KafkaMessage(None, b"a", headers) for headers in ([("n", b"1")], [("n", b"2")], None)]
    first = Run(kafka, topic, fresh().items(), identity=identity)
    states = first.snapshot()
    first.lanes["0000"].write_batch([records[:2]])
    first.snapshot()
    second = Run(kafka, topic, states.items(), identity=identity)
    second.lanes["0000"].write_batch([iter(records), iter([])])
    second.snapshot()
    assert len(read(kafka, topic)) == 3


def test_lanes_of_a_process_ask_and_read_once(kafka: Kafka, topic: str) -> None:
    messages = [f"key {number}" for number in range(20_000)]
    states = written_since(kafka, topic, *messages)
    run = Run(kafka, topic, [*states.items(), *[(f"{lane:04d}", states["0000"]) for lane in range(LANES, 16)]])
    began = time.monotonic()
    run.write("0003")  # reads back
    read_after = time.monotonic()
    for lane in run.lanes:
        run.write(lane)
        run.snapshot()
    assert time.monotonic() - read_after < max(1, 2 * (read_after - began))
    run.write("0001", *messages)
    run.snapshot()
    assert keys(kafka, topic) == Counter(["old", *messages])
