"""What is asked of a cluster before a flow starts, while its broker restarts."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from servers.kafka import Kafka
from sources.kafka.topics import Topics


@pytest.fixture
def kafka(kafka_runs_here: None, tmp_path: Path) -> Iterator[Kafka]:
    with Kafka(tmp_path) as kafka:
        yield kafka


@contextmanager
def dies_before_it_answers(kafka: Kafka) -> Iterator[None]:
    """The broker takes requests, and is killed half a second later; then it starts again."""

    def restart() -> None:
        time.sleep(0.5)
        kafka.kill()
        kafka.start()

    os.kill(kafka.pid, signal.SIGSTOP)
    restarting = Thread(target=restart)
    restarting.start()
    try:
        yield
    finally:
        restarting.join()


def test_what_a_broker_did_not_answer_is_asked_again(kafka: Kafka) -> None:
    kafka.create_topic("kept", partitions=1, cleanup_policy="delete", retention_ms=1000)
    topics = Topics({"bootstrap.servers": kafka.bootstrap, "log_level": 0}, deadline=60)
    with dies_before_it_answers(kafka):
        topics.create(["late", "later"], partitions=2)
    with dies_before_it_answers(kafka):
        assert topics.may_forget("kept") == "cleanup.policy=delete and retention.ms=1000"
    found = kafka.admin().list_topics(timeout=10).topics
    assert {name: len(found[name].partitions) for name in ("late", "later")} == {"late": 2, "later": 2}
