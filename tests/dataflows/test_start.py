"""How the main job starts, ends, and goes on: settings, servers and topics that are not as they should be."""

import json
import time
from pathlib import Path
from random import Random

import pytest

from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader, write
from tests.dataflows.world import Names, Outputs, World, settings


def inputs(kafka: Kafka, names: Names, cleanup_policy: str = "compact", **config: str | int) -> None:
    kafka.create_topic(names["ratings"], partitions=2)
    kafka.create_topic(names["customers"], partitions=2, cleanup_policy=cleanup_policy, **config)


def read(bootstrap: str, topic: str, count: int, seconds: float = 30) -> list[dict[str, object]]:
    """So many records of a topic, or as many as come within `seconds`."""
    with Reader(bootstrap, topic) as reader:
        return [json.loads(message.value() or b"") for message in reader.take(count, seconds)]


def wait_for(text: str, job: Job, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while text not in job.tail():
        assert time.monotonic() < deadline, f"{text!r} is not in the log:\n{job.tail()}"
        assert job.running(), job.tail()
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"UNMATCHED": "maybe"}, "ratings: UNMATCHED is 'maybe', but it should be 'emit', 'drop' or 'dead-letter'"),
        ({"KAFKA_NONSENSE": "1"}, 'ratings: KAFKA_NONSENSE: No such configuration property: "nonsense"'),
        ({"KAFKA_ACKS": "1"}, "ratings: KAFKA_ACKS: "),
        ({"STARTUP_TIMEOUT_SECONDS": "2"}, "ratings: Kafka at 127.0.0.1:9 is not there after 2 s: "),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_one_line(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    job = Job(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", **variables}, recovery=0)
    with job:
        assert job.wait(30) == [1]
    last = job.tail().strip().splitlines()[-1]
    assert last.startswith(line), job.tail()
    assert "Traceback" not in job.tail()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("KAFKA_NONSENSE", "hush-hush", 'KAFKA_NONSENSE_FILE: No such configuration property: "nonsense"'),
        ("KAFKA_SECURITY_PROTOCOL", "hush-hush", "KAFKA_SECURITY_PROTOCOL_FILE: "),
        ("KAFKA_SASL_MECHANISM", "hush-hush", "KAFKA_SASL_MECHANISM_FILE"),
        ("KAFKA_SSL_KEY_PEM", "hush-hush", "KAFKA_SSL_KEY_PEM_FILE"),
        ("KAFKA_SASL_PASSWORD", None, "KAFKA_SASL_PASSWORD_FILE names "),
    ],
)
def test_what_is_wrong_in_a_file_is_told_without_its_content(
    tmp_path: Path, name: str, content: str | None, line: str
) -> None:
    file = tmp_path / "content"
    if content is not None:
        file.write_text(content)
    security = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN"}
    variables = {other: value for other, value in security.items() if other != name}
    names = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "STARTUP_TIMEOUT_SECONDS": "2", f"{name}_FILE": str(file)}
    with Job(tmp_path, {**variables, **names}, recovery=0) as job:
        assert job.wait(30) == [1]
    last = job.tail().strip().splitlines()[-1]
    assert last.startswith("ratings: ")
    assert line in last
    assert "hush" not in job.tail()
    assert "Traceback" not in job.tail()


def test_a_variable_that_is_no_setting_is_told_in_the_log(tmp_path: Path) -> None:
    variables = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "STARTUP_TIMEOUT_SECONDS": "1"}
    others = {"ELASTICSEARCH_URLS": "http://a:1", "USER": "ada", "URL": "http://b:1", "S3_SERVICE_HOST": "10.0.0.1"}
    with Job(tmp_path, {**variables, **others}, recovery=0) as job:
        assert job.wait(30) == [1]
    told = [line for line in job.tail().splitlines() if "is no setting" in line]
    assert len(told) == 1
    assert " WARNING " in told[0]
    assert told[0].endswith("ELASTICSEARCH_URLS is no setting: did you mean ELASTICSEARCH_URL?")


def test_a_wrong_password_ends_with_one_line(tmp_path: Path, kafka_runs_here: None) -> None:
    with Kafka(tmp_path / "kafka", sasl_users={"app": "app-secret"}) as kafka:
        login = {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": "app",
            "KAFKA_SASL_PASSWORD": "hush-hush",
        }
        job = Job(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": str(kafka.sasl_bootstrap), **login}, recovery=0)
        with job:
            assert job.wait(30) == [1]
    last = job.tail().strip().splitlines()[-1]
    assert last.startswith(f"ratings: Kafka at {kafka.sasl_bootstrap} refuses us: "), job.tail()
    assert "uthentication failed" in last
    assert "hush-hush" not in job.tail()
    assert "Traceback" not in job.tail()


@pytest.mark.parametrize(
    ("config", "variables", "starts"),
    [
        ({"cleanup_policy": "delete"}, {}, False),
        ({"cleanup_policy": "compact,delete"}, {}, False),
        ({"cleanup_policy": "delete"}, {"CUSTOMERS_TOPIC_UNCOMPACTED": "allow"}, True),
        ({"cleanup_policy": "delete", "retention_ms": -1}, {}, True),
        ({"cleanup_policy": "delete", "retention_ms": -1, "retention_bytes": 1_000_000}, {}, False),
    ],
)
def test_a_topic_that_forgets_customers_is_refused(
    kafka: Kafka, names: Names, tmp_path: Path, config: dict[str, str], variables: dict[str, str], starts: bool
) -> None:
    inputs(kafka, names, **config)
    write(kafka.bootstrap, names["ratings"], [("1", b'{"rating_id":1,"user_id":1}')])
    with Job(tmp_path, settings(names, kafka.bootstrap, **variables), recovery=0) as job:
        if starts:
            assert len(read(kafka.bootstrap, names["enriched"], 1)) == 1
            assert job.stop() == [0]
        else:
            assert job.wait(30) == [1]
            last = job.tail().strip().splitlines()[-1]
            assert last.startswith(f"ratings: topic {names['customers']} will lose customers (cleanup.policy=")
            assert "CUSTOMERS_TOPIC_UNCOMPACTED=allow" in last


def test_topics_that_do_not_exist_yet_are_waited_for_and_outputs_made(
    kafka: Kafka, names: Names, tmp_path: Path
) -> None:
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        wait_for(f"waiting for topic {names['ratings']} and {names['customers']}", job)
        inputs(kafka, names)
        write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
        wait_for(f"created topic {names['enriched']} with 2 partitions", job)
        write(kafka.bootstrap, names["ratings"], [("1", b'{"rating_id":1,"user_id":1}')])
        (record,) = read(kafka.bootstrap, names["enriched"], 1)
        assert record["full_name"] == "Astley"
        assert job.stop() == [0], job.tail()


def test_a_stop_while_waiting_is_clean(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        wait_for("waiting for topic", job)
        assert job.stop(10) == [0], job.tail()


def test_a_kill_without_a_recovery_store_loses_nothing(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    inputs(kafka, names)
    world = World(kafka.bootstrap, names, Random(3))
    world.change_customers(range(1, 1001), changes=100)
    outputs = Outputs(world)
    # Epochs of a second: the default without a recovery store is ten. A start waits for the killed job's session.
    soon = {"BYTEWAX_SNAPSHOT_INTERVAL": "1", "KAFKA_SESSION_TIMEOUT_MS": "1000"}
    job = Job(tmp_path, settings(names, kafka.bootstrap, **soon), recovery=0)
    for _ in range(4):
        with job:
            world.rate(5000, lambda: world.random.randrange(-1, 1001))
            time.sleep(world.random.uniform(1.5, 4))
            job.kill()
    with job:
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
        # An earlier run may have written everything: a signal must not come before the last run can take it.
        deadline = time.monotonic() + 30
        while job.log.read_text().count("no recovery store") < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert job.stop() == [0], job.tail()
    world.check(outputs, duplicates=True)
    outputs.close()


def test_values_of_two_megabytes_are_dead_letters(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    kafka.create_topic(names["ratings"], partitions=1, max_message_bytes=10_000_000)
    kafka.create_topic(names["customers"], partitions=1, cleanup_policy="compact", max_message_bytes=10_000_000)
    padding = b"x" * 2_000_000
    rating = b'{"rating_id":1,"user_id":1,"message":"%s"}' % padding
    write(kafka.bootstrap, names["ratings"], [("1", rating), ("2", b'{"rating_id":2,"user_id":2}')])
    write(kafka.bootstrap, names["customers"], [("1", b'{"id":1,"comments":"%s"}' % padding)])
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        letters = read(kafka.bootstrap, names["dead_letters"], 2)
        (record,) = read(kafka.bootstrap, names["enriched"], 1)
        assert job.stop() == [0], job.tail()
    assert record["rating_id"] == 2
    assert {letter["step"] for letter in letters} == {"decode_ratings", "decode_customers"}
    assert {letter["error"] for letter in letters} == {"TooLarge"}
    assert all("2,000,0" in str(letter["message"]) for letter in letters)


def test_what_an_output_topic_refuses_is_a_dead_letter(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    inputs(kafka, names)
    kafka.create_topic(names["enriched"], partitions=2, max_message_bytes=2000)
    large = json.dumps({"rating_id": 1, "user_id": 1, "message": Random(1).randbytes(4000).hex()})
    write(kafka.bootstrap, names["ratings"], [("1", large.encode()), ("2", b'{"rating_id":2,"user_id":2}')])
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        (letter,) = read(kafka.bootstrap, names["dead_letters"], 1)
        (record,) = read(kafka.bootstrap, names["enriched"], 1)
        assert job.stop() == [0], job.tail()
    assert record["rating_id"] == 2
    assert (letter["topic"], letter["step"], letter["error"]) == (names["ratings"], "enriched", "MessageTooLarge")


def test_committed_offsets_reach_the_end_of_both_topics(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    inputs(kafka, names)
    for number in range(50):
        write(kafka.bootstrap, names["ratings"], [(str(number), b'{"rating_id":%d,"user_id":1}' % number)])
    customers = ((str(number), b'{"id":%d,"email":"e"}' % number) for number in range(20))
    write(kafka.bootstrap, names["customers"], customers)
    with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
        for topic in ("ratings", "customers"):
            with Reader(kafka.bootstrap, names[topic], group_id=names["ratings"]) as group:
                ends, deadline = group.ends(), time.monotonic() + 20
                while (committed := group.committed()) != ends:
                    assert time.monotonic() < deadline, f"committed {committed} of {ends}"
                    time.sleep(0.2)
        assert job.stop() == [0], job.tail()


def test_workers_in_threads(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    inputs(kafka, names)
    world = World(kafka.bootstrap, names, Random(5))
    world.change_customers(range(1, 1001), changes=500)
    world.rate(10_000, lambda: world.random.randrange(-1, 1001))
    outputs = Outputs(world)
    with Job(tmp_path, settings(names, kafka.bootstrap), workers=3) as job:
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
        assert job.stop() == [0], job.tail()
    world.check(outputs)
    outputs.close()


def test_the_broker_goes_away_and_comes_back(tmp_path: Path, names: Names, kafka_runs_here: None) -> None:
    with Kafka(tmp_path / "kafka") as kafka:
        inputs(kafka, names)
        for output in ("enriched", "alerts", "dead_letters"):
            kafka.create_topic(names[output], partitions=1)
        world = World(kafka.bootstrap, names, Random(9))
        world.change_customers(range(1, 101), changes=10)
        outputs = Outputs(world)
        with Job(tmp_path, settings(names, kafka.bootstrap)) as job:
            world.rate(20_000, lambda: world.random.randrange(1, 101))
            time.sleep(1.5)
            kafka.kill()
            time.sleep(3)
            kafka.start()
            world.rate(1000, lambda: world.random.randrange(1, 101))
            outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
            assert job.running(), job.tail()
            assert job.stop() == [0], job.tail()
        world.check(outputs)
        outputs.close()
