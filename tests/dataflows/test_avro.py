"""The main job with a schema registry: what it reads and writes in Avro, and a registry that is away."""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fastavro
import pytest

from demo.generate.avro import SCHEMA
from messages.registry import Registry as RegistryClient
from servers.embedded.registry import RegistryDouble
from servers.job import Job
from servers.kafka import Kafka
from servers.registry import Registry
from servers.topics import write
from tests.dataflows.rated import Ratings, Row, create_topics, to_avro, to_json

CUSTOMER = {"id": 7, "first_name": "Ada", "last_name": "Lind", "email": "ada@example.com", "club_status": "platinum"}


class Stage:
    """The topics and the job of one test, with one customer: Ada, 7."""

    def __init__(self, kafka: Kafka, name: str, folder: Path) -> None:
        self.topics = create_topics(kafka, name)
        self.customers = f"{name}-customers"
        kafka.create_topic(self.customers, partitions=3, cleanup_policy="compact")
        write(kafka.bootstrap, self.customers, [(b'{"id":7}', to_json(CUSTOMER))])
        self.ratings = Ratings(kafka, self.topics)
        self._folder = folder
        self._settings = {
            **{f"{output.upper()}_TOPIC": topic for output, topic in self.topics.items()},
            "CUSTOMERS_TOPIC": self.customers,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "KAFKA_GROUP_ID": name,
            "UNMATCHED_GRACE_SECONDS": "1",
            "STARTUP_TIMEOUT_SECONDS": "3",
        }

    def job(self, **settings: str) -> Job:
        return Job(self._folder, self._settings | settings)

    def refused(self, **settings: str) -> str:
        """The last line of a job that does not start."""
        with self.job(**settings) as job:
            assert job.wait(60) == [1], job.tail()
        return job.tail().strip().splitlines()[-1]


@pytest.fixture
def stage(kafka: Kafka, topics: Callable[[str], str], tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(kafka, topics("avro"), tmp_path)
    yield stage
    stage.ratings.close()


def ids(rows: list[Row]) -> set[int]:
    return {row["rating_id"] for row in rows}


def test_only_ratings_whose_schema_cannot_be_fetched_wait(
    stage: Stage, tmp_path: Path, registry_runs_here: None
) -> None:
    evolved = json.loads(SCHEMA)
    evolved["fields"].append({"name": "aircraft", "type": ["null", "string"], "default": None})
    with Registry(tmp_path / "registry") as registry:
        client = RegistryClient(registry.url)
        subject = f"{stage.topics['ratings']}-value"
        old = to_avro(client.register(subject, SCHEMA))
        new = to_avro(client.register(subject, json.dumps(evolved)), json.dumps(evolved))
        job = stage.job(SCHEMA_REGISTRY_URL=registry.url)
        with job:
            stage.ratings.rate(7, encode=old)
            stage.ratings.wait_for_all()
            registry.stop()
            for encode in (new, old, to_json, new, to_json, old):
                stage.ratings.rate(7, encode=encode)
            deadline = time.monotonic() + 30
            while ids(stage.ratings.read("enriched")) != {1, 3, 4, 6, 7}:
                assert time.monotonic() < deadline, job.tail()
            time.sleep(3)  # snapshots pass
            assert ids(stage.ratings.read("enriched")) == {1, 3, 4, 6, 7}
            job.kill()
        registry.start()
        with job:
            found = stage.ratings.wait_for_all()
            assert job.stop() == [0], job.tail()
    assert set(found.values()) == {1}
    assert {row["first_name"] for row in stage.ratings.read("enriched")} == {"Ada"}
    assert stage.ratings.read("enriched") == stage.ratings.found["enriched"]


def test_a_job_that_starts_without_its_registry_goes_on_when_it_is_there(stage: Stage) -> None:
    with RegistryDouble() as double:
        number = RegistryClient(double.url).register("s-value", SCHEMA)
        double.stop()
        job = stage.job(SCHEMA_REGISTRY_URL=double.url)
        with job:
            stage.ratings.rate(7, encode=to_avro(number))
            stage.ratings.rate(7, encode=to_json)
            deadline = time.monotonic() + 30
            while ids(stage.ratings.read("enriched")) != {2}:
                assert time.monotonic() < deadline, job.tail()
            double.start()
            stage.ratings.wait_for_all()
            assert job.stop() == [0], job.tail()


def test_enriched_ratings_in_avro(stage: Stage, registry: Registry) -> None:
    def read(value: bytes) -> Row:
        number = int.from_bytes(value[1:5], "big")
        schema = fastavro.parse_schema(json.loads(client.schema(number).text))
        found = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
        assert isinstance(found, dict)
        return found

    client = RegistryClient(registry.url)
    job = stage.job(SCHEMA_REGISTRY_URL=registry.url, OUTPUT_FORMAT="avro")
    with job:
        stage.ratings.rate(7, 8, stars=1)
        alerts = stage.ratings.read("alerts", seconds=8)  # they are JSON
        stage.ratings.read_one = read
        stage.ratings.wait_for_all()
        assert job.stop() == [0], job.tail()
    ada, nobody = sorted(stage.ratings.read("enriched"), key=lambda row: row["user_id"])
    assert (ada["full_name"], ada["stars"], ada["region"]) == ("Ada Lind", 1, None)
    assert ada["rating_ts"].year > 2020
    assert (nobody["user_id"], nobody["full_name"]) == (8, None)
    assert ids(alerts) == {ada["rating_id"]}


def test_a_schema_that_the_registry_does_not_take_stops_the_start(stage: Stage) -> None:
    subject = f"{stage.topics['enriched']}-value"
    with RegistryDouble() as double:
        RegistryClient(double.url).register(subject, '{"type":"record","name":"Other","fields":[]}')
        last = stage.refused(SCHEMA_REGISTRY_URL=double.url, OUTPUT_FORMAT="avro")
    why = "incompatible with the latest schema (status 409)"
    assert last == f"ratings: the schema registry refuses the schema of {subject}: {why}"


def test_output_in_avro_needs_the_registry_at_the_start(stage: Stage) -> None:
    last = stage.refused(SCHEMA_REGISTRY_URL="http://127.0.0.1:1", OUTPUT_FORMAT="avro")
    assert last.startswith(f"ratings: the schema of {stage.topics['enriched']}-value cannot be registered: ")


def test_a_registry_that_refuses_us_stops_the_start(stage: Stage) -> None:
    with RegistryDouble(user="ada:secret") as double:
        last = stage.refused(
            SCHEMA_REGISTRY_URL=double.url,
            SCHEMA_REGISTRY_USER="ada",
            SCHEMA_REGISTRY_PASSWORD="wrong",  # noqa: S106
        )
        assert last == f"ratings: the schema registry at {double.url} refuses us: who are you? (status 401)"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"RATINGS_FORMAT": "protobuf"},
            "ratings: RATINGS_FORMAT is 'protobuf', but it must be auto, json or avro: Protobuf is not read",
        ),
        ({"CUSTOMERS_FORMAT": "avro"}, "ratings: CUSTOMERS_FORMAT is 'avro', but SCHEMA_REGISTRY_URL is not set"),
        ({"OUTPUT_FORMAT": "avro"}, "ratings: OUTPUT_FORMAT is 'avro', but SCHEMA_REGISTRY_URL is not set"),
        (
            {"SCHEMA_REGISTRY_URL": "http://127.0.0.1:1", "SCHEMA_REGISTRY_CA": "/nowhere"},
            "ratings: SCHEMA_REGISTRY_CA is '/nowhere', but it must be a file of certificates in PEM form: "
            "No such file or directory",
        ),
    ],
)
def test_settings_that_do_not_fit(stage: Stage, settings: dict[str, str], line: str) -> None:
    assert stage.refused(**settings) == line
