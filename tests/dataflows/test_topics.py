"""Topics that have many partitions or change while the main job runs or is down, and what its group has committed."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewPartitions

from benchmarks.harness.usage import peak_megabytes, threads
from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader, Record, count
from servers.topics import read as read_all
from servers.topics import write as write_all
from tests.dataflows.test_start import inputs, read
from tests.dataflows.world import Names, settings

NOTICED_SECONDS = 60
WATCHED = {"KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS": "2000"}
"""Topics are looked at more often than each 15 s."""


def write(kafka: Kafka, topic: str, partition: int, *messages: tuple[bytes, bytes], **config: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, **config})
    if config:
        producer.init_transactions(30)
        producer.begin_transaction()
    for key, value in messages:
        producer.produce(topic, value, key, partition)
    assert producer.flush(30) == 0
    if config:
        producer.commit_transaction(30)


def ratings(first: int, last: int) -> list[tuple[bytes, bytes]]:
    return [(b"%d" % number, b'{"rating_id":%d,"user_id":1,"stars":5}' % number) for number in range(first, last)]


def customer(name: str) -> tuple[bytes, bytes]:
    return b'{"id":1}', json.dumps({"id": 1, "last_name": name}).encode()


def await_ratings(kafka: Kafka, names: Names, job: Job, wanted: set[int]) -> list[dict[str, object]]:
    """All enriched ratings that there are, once these are among them."""
    deadline = time.monotonic() + 40
    while True:
        time.sleep(0.5)
        found = [json.loads(message.value() or b"") for message in read_all(kafka.bootstrap, names["enriched"])]
        if wanted <= {int(str(record["rating_id"])) for record in found}:
            return found
        assert job.running(), job.tail()
        assert time.monotonic() < deadline, f"{len(found)} of {len(wanted)}"


def await_commits(kafka: Kafka, names: Names, topic: str, job: Job) -> None:
    """Until the group has committed all messages of a topic."""
    deadline = time.monotonic() + 25
    with Reader(kafka.bootstrap, names[topic], group_id=names["ratings"]) as group:
        while any(at < end for at, end in zip(group.committed(), group.ends(), strict=True) if end):
            assert time.monotonic() < deadline, job.tail()
            time.sleep(0.2)


def make_anew(kafka: Kafka, topic: str, partitions: int = 2, **config: str | int) -> None:
    admin = kafka.admin()
    admin.delete_topics([topic], operation_timeout=30)[topic].result(30)
    time.sleep(1)
    kafka.create_topic(topic, partitions, **config)


@pytest.mark.parametrize(("topic", "processes"), [("ratings", 2), ("customers", 1)])
def test_partitions_that_are_added_while_it_runs_end_it_with_a_line(
    kafka: Kafka, names: Names, tmp_path: Path, topic: str, processes: int
) -> None:
    inputs(kafka, names)
    write(kafka, names["customers"], 0, customer("Astley"))
    write(kafka, names["ratings"], 0, *ratings(0, 5))
    watched = WATCHED if topic == "ratings" else {}
    with Job(tmp_path, settings(names, kafka.bootstrap, **watched), processes=processes) as job:
        await_ratings(kafka, names, job, set(range(5)))
        admin = kafka.admin()
        admin.create_partitions([NewPartitions(names[topic], 3)])[names[topic]].result(30)
        # Bytewax panics in the other processes of a cluster, where a panic may abort.
        assert all(job.wait(NOTICED_SECONDS)), job.tail()
    line = f"topic {names[topic]} has 3 partitions now, 2 when the flow started: the flow ends, start it again"
    assert line in job.log.read_text()
    write(kafka, names[topic], 2, *(ratings(5, 10) if topic == "ratings" else [(b'{"id":2}', b'{"id":2}')]))
    write(kafka, names["ratings"], 1, *ratings(10, 12))
    with Job(tmp_path, settings(names, kafka.bootstrap), processes=processes) as job:
        found = await_ratings(kafka, names, job, set(range(10 if topic == "customers" else 5, 12)))
        assert job.stop() == [0] * processes, job.tail()
    assert {record["full_name"] for record in found} == {"Astley"}


@pytest.mark.parametrize(
    ("runs", "count", "recovery"),
    [
        pytest.param(True, 3, 2, id="while it runs, with fewer messages"),
        pytest.param(True, 20, 2, id="while it runs, with more messages"),
        pytest.param(False, 3, 2, id="while it is down, with fewer messages"),
        pytest.param(False, 20, 2, id="while it is down, with more messages"),
        pytest.param(False, 20, 0, id="while it is down without a store, with more messages"),
    ],
)
def test_a_topic_of_ratings_that_is_made_anew_is_read_from_its_beginning(
    kafka: Kafka, names: Names, tmp_path: Path, runs: bool, count: int, recovery: int
) -> None:
    inputs(kafka, names)
    write(kafka, names["customers"], 0, customer("Astley"))
    write(kafka, names["ratings"], 0, *ratings(0, 10))
    variables = settings(names, kafka.bootstrap, BYTEWAX_SNAPSHOT_INTERVAL="1", **WATCHED)
    with Job(tmp_path, variables, recovery=recovery) as job:
        await_ratings(kafka, names, job, set(range(10)))
        await_commits(kafka, names, "ratings", job)
        if not runs:
            assert job.stop() == [0], job.tail()
        make_anew(kafka, names["ratings"])
        write(kafka, names["ratings"], 0, *ratings(100, 100 + count))
        if runs:
            assert job.wait(NOTICED_SECONDS) == [1], job.tail()
            assert f"topic {names['ratings']} was deleted and recreated: the flow ends" in job.log.read_text()
    with Job(tmp_path, variables, recovery=recovery) as job:
        await_ratings(kafka, names, job, set(range(100, 100 + count)))
        assert job.stop() == [0], job.tail()


@pytest.mark.parametrize("runs", [True, False], ids=["while it runs", "while it is down"])
def test_a_topic_of_customers_that_is_made_anew_is_loaded_anew(
    kafka: Kafka, names: Names, tmp_path: Path, runs: bool
) -> None:
    inputs(kafka, names)
    write(kafka, names["customers"], 0, customer("Astley"), (b"1", b"broken"))
    write(kafka, names["ratings"], 0, *ratings(0, 10))
    with Job(tmp_path, settings(names, kafka.bootstrap, **WATCHED)) as job:
        await_ratings(kafka, names, job, set(range(10)))
        await_commits(kafka, names, "customers", job)
        if not runs:
            assert job.stop() == [0], job.tail()
        make_anew(kafka, names["customers"], cleanup_policy="compact")
        # What was malformed in the first topic has nothing to do with what is malformed in the second one.
        write(kafka, names["customers"], 0, (b"1", b"broken, too"), customer("Nixey"), (b"1", b"and again"))
        if runs:
            assert job.wait(NOTICED_SECONDS) == [1], job.tail()
    write(kafka, names["ratings"], 0, *ratings(10, 20))
    with Job(tmp_path, settings(names, kafka.bootstrap, **WATCHED)) as job:
        found = await_ratings(kafka, names, job, set(range(20)))
        letters = read(kafka.bootstrap, names["dead_letters"], 3, seconds=10)
        assert job.stop() == [0], job.tail()
    assert {record["full_name"] for record in found if int(str(record["rating_id"])) >= 10} == {"Nixey"}
    assert {letter["offset"] for letter in letters} == {0, 1, 2}


def test_a_topic_that_is_deleted_while_it_runs_ends_it_with_a_line(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    inputs(kafka, names)
    write(kafka, names["ratings"], 0, *ratings(0, 5))
    with Job(tmp_path, settings(names, kafka.bootstrap, **WATCHED)) as job:
        await_ratings(kafka, names, job, set(range(5)))
        admin = kafka.admin()
        admin.delete_topics([names["ratings"]], operation_timeout=30)[names["ratings"]].result(30)
        assert job.wait(NOTICED_SECONDS) == [1], job.tail()
    assert f"topic {names['ratings']} was deleted while the flow read it: the flow ends" in job.log.read_text()


def test_a_store_of_more_partitions_than_the_topic_has_is_gone_on_from(
    kafka: Kafka, names: Names, tmp_path: Path
) -> None:
    kafka.create_topic(names["ratings"], partitions=3)
    kafka.create_topic(names["customers"], partitions=2, cleanup_policy="compact")
    for partition in range(3):
        write(kafka, names["ratings"], partition, *ratings(10 * partition, 10 * partition + 5))
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        await_ratings(kafka, names, job, {0, 10, 20})
        assert job.stop() == [0], job.tail()
    make_anew(kafka, names["ratings"], partitions=1)
    for first in (100, 200):
        write(kafka, names["ratings"], 0, *ratings(first, first + 10))
        with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
            await_ratings(kafka, names, job, set(range(first, first + 10)))
            assert job.stop() == [0], job.tail()


@pytest.mark.parametrize(
    "last",
    [
        pytest.param({}, id="messages"),
        pytest.param({"transactional.id": "last"}, id="the marker of a transaction"),
    ],
)
def test_the_group_reaches_the_ends_of_idle_topics_after_a_kill(
    kafka: Kafka, names: Names, tmp_path: Path, last: dict[str, str]
) -> None:
    """The second partition of each topic is empty, the last rating malformed."""
    inputs(kafka, names)
    write(kafka, names["customers"], 0, customer("Astley"), **last)
    write(kafka, names["ratings"], 0, *ratings(0, 10), (b"10", b"broken"), **last)
    kafka.create_topic(names["enriched"], 2)
    job = Job(tmp_path, settings(names, kafka.bootstrap))
    for seconds in (
        0.2,
        0.6,
        1,
        1.4,
    ):  # after the first output: a snapshot is taken each second, and committed the next
        with job:
            deadline = time.monotonic() + 30
            while not count(kafka.bootstrap, names["enriched"]):
                assert time.monotonic() < deadline, job.tail()
                time.sleep(0.05)
            time.sleep(seconds)
            job.kill()
    with job:
        deadline = time.monotonic() + 25  # the job starts in some seconds
        for topic in ("ratings", "customers"):
            with Reader(kafka.bootstrap, names[topic], group_id=names["ratings"]) as group:
                while (committed := group.committed()) != (ends := group.ends()):
                    assert time.monotonic() < deadline, f"{topic}: committed {committed} of {ends}"
                    time.sleep(0.2)


def test_memory_and_threads_do_not_follow_partitions(
    kafka: Kafka, topics: Callable[[str], str], names: Names, tmp_path: Path
) -> None:
    partitions, all_ratings = 48, 300_000
    kafka.create_topic(names["ratings"], partitions)
    kafka.create_topic(names["customers"], 2, cleanup_policy="compact")
    kafka.create_topic(names["enriched"], 4)
    rating, padding = b'{"rating_id":%d,"user_id":1,"message":"%s"}', b"x" * 200
    records = (Record(None, rating % (number, padding), number % partitions) for number in range(all_ratings))
    write_all(kafka.bootstrap, names["ratings"], records)
    deadline = time.monotonic() + 90
    with (
        Job(tmp_path, settings(names, kafka.bootstrap, UNMATCHED_GRACE_SECONDS="0")) as job,
        Reader(kafka.bootstrap, names["enriched"]) as reader,
    ):
        while sum(reader.ends()) < all_ratings:
            assert time.monotonic() < deadline
            assert job.running(), job.tail()
            time.sleep(0.2)
        peak, most = peak_megabytes(job.pids), threads(job.pids)
        assert job.stop() == [0], job.tail()
    assert most < 56
    assert peak < 450
