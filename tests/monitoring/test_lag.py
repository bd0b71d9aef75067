"""The lag of a group, beside what was written and committed."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from monitoring.lag import Groups, LagError
from monitoring.model import PartitionLag, TopicLag
from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.process import ROOT, free_ports
from servers.topics import Record, write

WRITTEN = {0: 5, 1: 3}


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        yield kafka


def check(bootstrap: str, name: str) -> TopicLag:
    """Write, commit, and compare; return the lag of the group."""
    records = [Record(None, b"x", partition) for partition, count in WRITTEN.items() for _ in range(count)]
    write(bootstrap, name, records)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name})
    consumer.commit(offsets=[TopicPartition(name, 0, 2)], asynchronous=False)
    consumer.close()
    groups = Groups({"bootstrap.servers": bootstrap, "group.id": "another"}, seconds=30)
    lags = groups.lags({name: [name, f"{name}-absent"], f"{name}-new": [name], "nothing": []})
    assert lags.keys() == {(name, name), (f"{name}-new", name)}
    assert lags[f"{name}-new", name].lag == 8
    lag = lags[name, name]
    assert lag.partitions == (PartitionLag(0, 0, 5, 2, 3), PartitionLag(1, 0, 3, None, 3))
    assert lag.lag == 6
    return lag


def test_the_embedded_kafka_tells_no_times(embedded: EmbeddedKafka, topics: Callable[[str], str]) -> None:
    name = topics("lag")
    embedded.create_topic(name, partitions=2)
    assert check(embedded.bootstrap, name).last is None


def test_a_real_kafka_tells_when_the_newest_message_was_written(kafka: Kafka, topics: Callable[[str], str]) -> None:
    name, began = topics("lag"), time.time()
    kafka.create_topic(name, partitions=2)
    last = check(kafka.bootstrap, name).last
    assert last is not None
    assert began - 1 <= last <= time.time() + 1


def test_brokers_that_are_away_are_given_up_in_time() -> None:
    (port,) = free_ports(1)
    groups = Groups({"bootstrap.servers": f"127.0.0.1:{port}"}, seconds=0.5)
    began = time.monotonic()
    with pytest.raises(LagError, match=f"Kafka at 127.0.0.1:{port} does not tell the lag: ") as caught:
        groups.lags({"group": ["topic"]})
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)


AWAY_FOR_A_WHILE = """
import time
from monitoring.lag import Groups, LagError
from servers.embedded.kafka import EmbeddedKafka

wanted = {f"group-{number}": ["topic"] for number in range(8)}  # each broker coordinates some
with EmbeddedKafka(brokers=2) as kafka:
    kafka.create_topic("topic", partitions=2)
    groups = Groups({"bootstrap.servers": kafka.bootstrap, "log_level": 0}, seconds=1)
    before = groups.lags(wanted)
    kafka.broker_down(2)
    for _ in range(3):
        try:
            groups.lags(wanted)
        except LagError:
            print("away")
    kafka.broker_up(2)
    deadline = time.monotonic() + 30
    while True:
        try:
            print(groups.lags(wanted) == before)
            break
        except LagError:
            if time.monotonic() >= deadline:
                raise
"""


def test_a_broker_may_be_away_for_longer_than_an_answer_may_take() -> None:
    """In a process of its own, which a fault of librdkafka would abort."""
    run = subprocess.run(
        [sys.executable, "-c", AWAY_FOR_A_WHILE], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert (run.returncode, run.stdout.split()) == (0, ["away", "away", "away", "True"]), run.stderr
