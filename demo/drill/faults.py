"""The faults, and the alerts that each has to cause. A fault lasts as long as its context is open."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple

from confluent_kafka import OFFSET_END, TopicPartition

from demo.drill.scene import Scene
from demo.topics import CUSTOMERS, PARTITIONS, RATINGS
from servers.embedded import elasticsearch, slack
from servers.kafka import Kafka

_KILLS = 3
_START_SECONDS = 60.0
_DELETE_SECONDS = 30.0


class Fault(NamedTuple):
    """What goes wrong."""

    name: str
    alerts: set[str]
    """The names of the alerts that must fire; others may."""
    cause: Callable[[Scene], AbstractContextManager[None]]


@contextmanager
def wrong_messages(scene: Scene) -> Iterator[None]:
    """One in four ratings is no rating."""
    scene.traffic.spoil = True
    yield
    scene.traffic.spoil = False


@contextmanager
def elasticsearch_dead(scene: Scene) -> Iterator[None]:
    """Elasticsearch closes every connection."""
    scene.elasticsearch.faults = lambda _: elasticsearch.Fault(drop="before")
    yield
    scene.elasticsearch.faults = None


@contextmanager
def slack_broken(scene: Scene) -> Iterator[None]:
    """Slack answers every request with an error of its own."""
    scene.slack.faults = lambda _: slack.Fault(status=500)
    yield
    scene.slack.faults = None


@contextmanager
def process_suspended(scene: Scene) -> Iterator[None]:
    """One of two processes is suspended: SIGSTOP."""
    (pid,) = scene.flow[1].pids
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


@contextmanager
def broker_killed(kafka: Kafka, _scene: Scene) -> Iterator[None]:
    """The only broker is killed: SIGKILL."""
    kafka.kill()
    yield
    kafka.start()


@contextmanager
def process_killed_again_and_again(scene: Scene) -> Iterator[None]:
    """One process is killed each time it has been scraped after its start, and its peer ends with it."""
    pod = scene.flow[0]
    started = f'process_start_time_seconds{{job="ratings", instance="127.0.0.1:{pod.port}"}}'
    for _ in range(_KILLS):
        before = scene.prometheus.query(started)
        pod.kill()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and scene.prometheus.query(started) in ([], before):
            time.sleep(0.1)
    yield


@contextmanager
def retention_too_short(kafka: Kafka, scene: Scene) -> Iterator[None]:
    """While the flow is stopped, ratings come, and are deleted before it starts again."""
    scene.is_kept_up = False
    for pod in scene.flow:
        pod.stop()
    time.sleep(1)
    admin = kafka.admin()
    ends = [TopicPartition(RATINGS, partition, OFFSET_END) for partition in range(PARTITIONS[RATINGS])]
    for deleted in admin.delete_records(ends).values():
        deleted.result(_DELETE_SECONDS)
    scene.is_kept_up = True
    yield


@contextmanager
def customers_deleted(scene: Scene) -> Iterator[None]:
    """Half of the customers are deleted, and come back."""
    half = scene.traffic.customers[::2]
    for change in half:
        scene.traffic.send(CUSTOMERS, change.key, None)
    yield
    for change in half:
        scene.traffic.send(CUSTOMERS, change.key, change.value)


def all_faults(kafka: Kafka) -> list[Fault]:
    """All faults of a scene on this Kafka."""
    return [
        Fault("wrong messages", {"RatingsDeadLetters"}, wrong_messages),
        Fault("Elasticsearch dead", {"RatingsHeldBack", "RatingsBufferFull", "RatingsNotReady"}, elasticsearch_dead),
        Fault("Slack broken", {"RatingsNotTold"}, slack_broken),
        Fault("process suspended", {"RatingsProcessMissing", "RatingsNoSnapshot"}, process_suspended),
        Fault("broker killed", {"RatingsNoSnapshot"}, partial(broker_killed, kafka)),
        Fault("process killed again and again", {"RatingsRestarting"}, process_killed_again_and_again),
        Fault("retention too short", {"RatingsSkipped"}, partial(retention_too_short, kafka)),
        Fault("customers deleted", {"RatingsTableShrinks"}, customers_deleted),
    ]
