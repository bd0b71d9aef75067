"""The lease on a consumer group: which cluster gets it, which one is refused, and who must go."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, not re-exported
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.process import ROOT
from sources.kafka.lease import Holder, Lease
from sources.kafka.topics import ClusterError

SESSION = {"session.timeout.ms": 1000}
SECONDS = 30.0

HOLD = """
import logging, sys, time
from sources.kafka.lease import Lease
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
bootstrap, topic, cluster = sys.argv[1:]
config = {"bootstrap.servers": bootstrap, "session.timeout.ms": 1000}
Lease(topic, topic, config, cluster, lambda: False).take(lambda why: print("lost:", why, flush=True))
print("taken", flush=True)
time.sleep(600)
"""

Hold = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    """A topic, whose name is that of the group as well."""
    kafka.create_topic(topics("ratings"), partitions=1)
    return topics("ratings")


@pytest.fixture
def hold(kafka: Kafka, topic: str) -> Iterator[Hold]:
    """A function that starts a process which takes the lease for a cluster, and waits until it has it."""
    processes: list[subprocess.Popen[str]] = []

    def hold(cluster: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, kafka.bootstrap, topic, cluster]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout is not None
        assert "taken\n" in iter(processes[-1].stdout.readline, "")
        return processes[-1]

    yield hold
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def lease(kafka: Kafka, topic: str) -> Iterator[Callable[[str], Lease]]:
    """A function that makes a lease, which is released in the end."""
    leases: list[Lease] = []

    def lease(cluster: str) -> Lease:
        config = {"bootstrap.servers": kafka.bootstrap, **SESSION}
        leases.append(Lease(topic, topic, config, cluster, lambda: False))
        return leases[-1]

    yield lease
    for one in leases:
        one.release()


def unexpected(why: str) -> None:
    raise AssertionError(why)


@pytest.mark.parametrize(
    ("client_id", "holder", "told"),
    [
        ("a1.1700000000.host.example", Holder("a1", 1_700_000_000, "host.example"), "host.example since 2023-11-14"),
        ("rdkafka", Holder("rdkafka", 0, "/10.0.0.1"), "/10.0.0.1"),
        ("a.b.c", Holder("a.b.c", 0, "/10.0.0.1"), "/10.0.0.1"),
        ("a.1.", Holder("a.1.", 0, "/10.0.0.1"), "/10.0.0.1"),
    ],
)
def test_a_holder_is_read_from_its_client_id(client_id: str, holder: Holder, told: str) -> None:
    assert Holder.of(client_id, "/10.0.0.1") == holder
    assert str(holder).startswith(told)
    assert not holder.since or holder.to_client_id() == client_id


def test_another_cluster_is_refused_until_the_first_one_has_left(lease: Callable[[str], Lease], topic: str) -> None:
    first = lease("a")
    first.take(unexpected)
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    line = rf"consumer group {topic} is in use by another cluster, on {re.escape(socket.gethostname())} since {since}: "
    with pytest.raises(ClusterError, match=line):
        lease("0").take(unexpected)
    first.release()
    began = time.monotonic()
    lease("b").take(unexpected)
    assert time.monotonic() - began < 3, "it waited for a member that had left"


def test_a_killed_cluster_goes_on_at_once_and_another_one_after_its_session(
    hold: Hold, lease: Callable[[str], Lease], caplog: pytest.LogCaptureFixture
) -> None:
    hold("a").kill()
    lost = Queue[str]()
    again = lease("a")
    with caplog.at_level("INFO"):
        again.take(lost.put)
        assert "waiting for its end" not in caplog.text
        again.release()
        hold("a").kill()
        lease("b").take(unexpected)
        assert "waiting for its end" in caplog.text
    assert lost.empty()


def test_killed_predecessors_are_not_taken_for_a_living_copy(hold: Hold, lease: Callable[[str], Lease]) -> None:
    """Killed before the group has agreed on its members, so that it agrees with some of them among its members."""
    for _ in range(3):
        hold("a").kill()
    lost = Queue[str]()
    lease("a").take(lost.put)
    with pytest.raises(Empty):
        lost.get(timeout=15)


def test_of_two_that_come_together_one_stays(lease: Callable[[str], Lease]) -> None:
    for round_ in range(3):
        leases = [lease(f"{round_}{name}") for name in "ab"]
        refused: list[str] = []
        barrier = threading.Barrier(2)

        def take(one: Lease, barrier: threading.Barrier = barrier, refused: list[str] = refused) -> None:
            barrier.wait()
            try:
                one.take(unexpected)
            except ClusterError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=take, args=(one,)) for one in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert len(refused) == 1
        for one in leases:
            one.release()


def test_a_suspended_cluster_that_wakes_beside_another_must_end(hold: Hold) -> None:
    sleeper = hold("a")
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        hold("b")
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline().startswith("lost: consumer group ")


def test_a_cluster_on_a_copy_of_a_living_ones_store_must_end(hold: Hold, lease: Callable[[str], Lease]) -> None:
    hold("a")
    lost = Queue[str]()
    lease("a").take(lost.put)
    assert "is in use by another cluster" in lost.get(timeout=SECONDS)


def test_brokers_that_do_not_describe_groups_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedKafka() as kafka, caplog.at_level("INFO"):
        kafka.create_topic("ratings", 1)
        for cluster in "ab":
            lease = Lease("ratings", "ratings", {"bootstrap.servers": kafka.bootstrap}, cluster, lambda: False)
            lease.take(unexpected)
            lease.release()
    lines = [record.getMessage() for record in caplog.records if record.name == "sources.kafka.lease"]
    assert lines == ["the brokers do not describe consumer groups: a second cluster would not be noticed"] * 2


@pytest.mark.parametrize("operation", [AclOperation.DESCRIBE, AclOperation.READ])
def test_a_missing_right_is_told(sasl_kafka: Kafka, topics: Callable[[str], str], operation: AclOperation) -> None:
    group = f"{operation.name}-cluster"
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    rule = AclBinding(ResourceType.GROUP, group, literal, "User:app", "*", operation, allow)
    sasl_kafka.create_topic(topics(operation.name), partitions=1)
    admin = sasl_kafka.admin()
    admin.create_acls([rule])[rule].result()
    login = {
        "bootstrap.servers": str(sasl_kafka.sasl_bootstrap),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "app",
        "sasl.password": "app-secret",
    }
    lease = Lease(operation.name, topics(operation.name), {**login, **SESSION}, "a", lambda: False)
    if operation is AclOperation.READ:  # it implies the right to describe
        lease.take(unexpected)
        lease.release()
    else:
        with pytest.raises(ClusterError, match=rf"consumer group {group} cannot be used: .*[Aa]uthorization failed"):
            lease.take(unexpected)


@pytest.fixture(scope="module")
def sasl_kafka(kafka_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    with Kafka(tmp_path_factory.mktemp("kafka"), sasl_users={"app": "app-secret"}) as kafka:
        yield kafka


WAIT = """
import logging, sys
from sources.kafka import lease
lease._REQUEST_SECONDS = 1.0
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
config = {"bootstrap.servers": sys.argv[1], "log_level": 0}
lease.Lease("group", "topic", config, "a", lambda: print("asks", flush=True)).take(print)
print("taken", flush=True)
"""


def test_the_brokers_may_be_away_for_longer_than_an_answer_may_take(kafka_runs_here: None, tmp_path: Path) -> None:
    """In a process of its own, which a fault of librdkafka would abort."""
    with Kafka(tmp_path) as kafka:
        kafka.create_topic("topic", partitions=1)
        kafka.kill()
        command = [sys.executable, "-c", WAIT, kafka.bootstrap]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == "asks\n", "again, since there was no answer"
            kafka.start()
            out, err = waiting.communicate(timeout=90)
        assert waiting.returncode == 0, err
        assert out.endswith("taken\n")
