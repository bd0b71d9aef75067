"""The lag of a group, beside what was written and committed."""

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from monitoring.lag import Groups, LagError
from monitoring.model import PartitionLag, TopicLag
from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.process import free_ports
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
