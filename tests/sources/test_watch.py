"""Topics that change: what is noticed, on a real Kafka and on the embedded one."""

import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from sources.kafka.watch import Topic, TopicChangedError, Watcher, change, describe, interval

TWO = Topic("an-id", (0, 1))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(TWO, TWO, None, id="nothing"),
        pytest.param(TWO, Topic(None, (0, 1)), None, id="no id any more"),
        pytest.param(Topic(None, (0, 1)), TWO, None, id="an id since"),
        pytest.param(
            TWO,
            Topic("an-id", (0, 1, 2, 3)),
            "topic t has 4 partitions now, 2 when the flow started: the flow ends, start it again to read them",
            id="more partitions",
        ),
        pytest.param(
            Topic(None, (0, 1)),
            Topic(None, (0,)),
            "topic t has 1 partition now, 2 when the flow started: the flow ends, start it again to read them",
            id="fewer partitions",
        ),
        pytest.param(
            TWO,
            Topic("another-id", (0, 1, 2)),
            "topic t was deleted and recreated: the flow ends, start it again to read it from its beginning",
            id="recreated",
        ),
        pytest.param(
            TWO, None, "topic t was deleted while the flow read it: the flow ends, start it again", id="deleted"
        ),
    ],
)
def test_what_a_change_is(before: Topic, now: Topic | None, expected: str | None) -> None:
    assert change("t", before, now) == expected


def wait_for_change(watcher: Watcher, name: str, change_it: Callable[[], object]) -> str:
    topic = watcher.describe(name)
    assert topic is not None
    watch = watcher.watch(name, topic)
    time.sleep(0.5)
    watch.check()
    change_it()
    deadline = time.monotonic() + 20
    while watch.changed is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    watch.close()
    with pytest.raises(TopicChangedError) as error:
        watch.check()
    return str(error.value)


def test_changes_are_noticed(kafka: Kafka, topics: Callable[[str], str]) -> None:
    name = topics("watched")
    kafka.create_topic(name, partitions=2)
    watcher = Watcher({"bootstrap.servers": kafka.bootstrap, "log_level": 0}, interval=0.2)
    admin = kafka.admin()

    def add() -> None:
        admin.create_partitions([NewPartitions(name, 3)])[name].result(30)

    def delete() -> None:
        admin.delete_topics([name], operation_timeout=30)[name].result(30)

    def make_anew() -> None:
        delete()
        time.sleep(0.5)
        kafka.create_topic(name, partitions=3)

    assert "has 3 partitions now, 2 when" in wait_for_change(watcher, name, add)
    assert "was deleted and recreated" in wait_for_change(watcher, name, make_anew)
    assert "was deleted while" in wait_for_change(watcher, name, delete)
    assert watcher.describe(name) is None


@pytest.mark.parametrize(
    ("refresh", "seconds"), [(None, 15), ("2000", 2), (500, 0.5), ("300000", 15), ("-1", 15), (-1, 15)]
)
def test_how_often_topics_are_looked_at(refresh: str | int | None, seconds: float) -> None:
    assert interval({} if refresh is None else {"topic.metadata.refresh.interval.ms": refresh}) == seconds


def test_brokers_that_are_away_are_no_change() -> None:
    watcher = Watcher({"bootstrap.servers": "127.0.0.1:9", "log_level": 0}, interval=0.1)
    watch = watcher.watch("t", TWO)
    time.sleep(1)
    watch.check()
    watch.close()


def test_the_embedded_kafka_describes_topics() -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic("t", 3)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        topic = describe(admin, "t")
        assert topic is not None
        assert topic.partitions == (0, 1, 2)
        assert describe(admin, "nope") is None
