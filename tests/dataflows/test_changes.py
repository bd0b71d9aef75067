"""What a user changes between two runs on one recovery store: it works, and each rating is in each output once."""

import io
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewPartitions
from elasticsearch import Elasticsearch as Client
from elasticsearch.helpers import scan
from fastavro import parse_schema, schemaless_reader

from records.enriched_avro import SCHEMA
from servers.elasticsearch import Elasticsearch
from servers.embedded.registry import RegistryDouble
from servers.job import Job
from servers.kafka import Kafka
from servers.s3 import S3
from servers.topics import read, write
from tests.dataflows.test_archive import archived, unfinished
from tests.dataflows.world import settings as settings_of

RATINGS_A_RUN = 120
CUSTOMERS = 20
DEADLINE_SECONDS = 60
PARSED = parse_schema(json.loads(SCHEMA))

Settings = dict[str, str]


@dataclass
class Setup:
    """The servers, the settings of the run that comes next, and each output's ratings so far."""

    kafka: Kafka
    s3: S3
    elasticsearch: Elasticsearch
    registry: RegistryDouble
    topics: Callable[[str], str]
    settings: Settings = field(default_factory=dict)
    processes: int = 1
    workers: int = 1
    expected: defaultdict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    """Ids of ratings by kind of output and name."""
    next_rating: int = 1

    def __post_init__(self) -> None:
        self.create("ratings")
        self.create("customers", cleanup_policy="compact")
        names = {name: self.topics(name) for name in ("ratings", "customers", "enriched", "alerts", "dead_letters")}
        self.set(**settings_of(names, self.kafka.bootstrap, S3_ROLL_SECONDS="2", **self.s3.environment))
        rows = [{"id": id_, "first_name": f"F{id_}", "club_status": "platinum"} for id_ in range(1, CUSTOMERS + 1)]
        customers = [(f'{{"id":{row["id"]}}}', json.dumps(row)) for row in rows]
        write(self.kafka.bootstrap, self.topics("customers"), customers)

    def create(self, name: str, **config: str) -> None:
        self.kafka.create_topic(self.topics(name), partitions=2, **config)

    def set(self, **settings: str) -> None:
        """Change settings; an empty value is an unset one."""
        self.settings |= settings

    def bucket(self, name: str) -> str:
        bucket = self.topics(name)
        self.s3.create_bucket(bucket)
        return bucket

    def grow(self, name: str, partitions: int) -> None:
        admin = self.kafka.admin()
        admin.create_partitions([NewPartitions(self.topics(name), partitions)])[self.topics(name)].result()

    def outputs(self) -> list[tuple[str, str]]:
        """The outputs that are on."""
        on = [("topic", self.settings["ENRICHED_TOPIC"]), ("topic", self.settings["ALERTS_TOPIC"])]
        if bucket := self.settings.get("S3_BUCKET"):
            on.append(("bucket", bucket))
        if self.settings.get("ELASTICSEARCH_URL"):
            on.append(("index", self.settings["ELASTICSEARCH_INDEX"]))
        return on

    def rate(self) -> None:
        """Write ratings of one star, each of which is an alert, and expect each in all outputs that are on."""
        ids = range(self.next_rating, self.next_rating + RATINGS_A_RUN)
        rows = [{"rating_id": id_, "user_id": 1 + id_ % CUSTOMERS, "stars": 1, "channel": "web"} for id_ in ids]
        ratings = [(str(row["rating_id"]), json.dumps(row)) for row in rows]
        write(self.kafka.bootstrap, self.settings["RATINGS_TOPIC"], ratings)
        self.next_rating = ids.stop
        for output in self.outputs():
            self.expected[output].update(ids)

    def found(self, kind: str, name: str) -> Counter[int]:
        """How often each rating is in an output."""
        if kind == "bucket":
            return Counter(row["rating_id"] for row in archived(self.s3, name))
        if kind == "topic":
            return Counter(read_id(message.value() or b"") for message in read(self.kafka.bootstrap, name))
        with Client(self.elasticsearch.url) as client:
            if not client.indices.exists(index=name):
                return Counter()
            client.indices.refresh(index=name)
            return Counter(hit["_source"]["rating_id"] for hit in scan(client, index=name))

    def wait(self, outputs: list[tuple[str, str]], job: Job) -> None:
        """Until the outputs have what they must, or a deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            assert job.running(), job.tail()
            with suppress(KafkaException):  # the job has not created a topic yet, or just now
                if not any(self.expected[output] - self.found(*output).keys() for output in outputs):
                    return
            time.sleep(0.2)

    def check(self, outputs: list[tuple[str, str]]) -> None:
        """Each rating that an output must have is there once, and no other."""
        for output in outputs:
            found = self.found(*output)
            assert found == Counter(self.expected[output]), (
                f"{output}: {sorted(self.expected[output] - found.keys())[:5]} missing, "
                f"{[rating for rating, count in found.items() if count > 1][:5]} twice, "
                f"{sorted(found.keys() - self.expected[output])[:5]} too many"
            )


def read_id(value: bytes) -> int:
    if value[:1] == b"{":
        return int(json.loads(value)["rating_id"])

    fields: Any = schemaless_reader(io.BytesIO(value[5:]), PARSED, None)
    return int(fields["rating_id"])


@pytest.fixture
def setup(kafka: Kafka, s3: S3, elasticsearch: Elasticsearch, topics: Callable[[str], str]) -> Iterator[Setup]:
    with RegistryDouble() as registry:
        yield Setup(kafka, s3, elasticsearch, registry, topics)


@dataclass
class Change:
    """What is different in the next run."""

    name: str
    make: Callable[[Setup], None] = lambda _: None
    kill: bool = False
    """The run ends by SIGKILL, in the middle of an epoch."""


def processes(count: int, workers: int = 1) -> Callable[[Setup], None]:
    def change(setup: Setup) -> None:
        setup.processes, setup.workers = count, workers

    return change


def settings(**variables: str) -> Callable[[Setup], None]:
    return lambda setup: setup.set(**variables)


def renamed(variable: str, name: str) -> Callable[[Setup], None]:
    return lambda setup: setup.set(**{variable: setup.topics(name)})


def search_on(index: str) -> Callable[[Setup], None]:
    return lambda setup: setup.set(
        ELASTICSEARCH_URL=setup.elasticsearch.url,
        ELASTICSEARCH_INDEX=setup.topics(index),
        ELASTICSEARCH_ALERTS_INDEX=setup.topics("alerts-index"),
    )


def other_ratings(setup: Setup) -> None:
    setup.create("other-ratings")
    setup.set(RATINGS_TOPIC=setup.topics("other-ratings"))


CHANGES = [
    Change("nothing yet"),
    Change("S3 on", lambda setup: setup.set(S3_BUCKET=setup.bucket("archive")), kill=True),
    Change("from one process to three", processes(3), kill=True),
    Change("from three processes to two", processes(2), kill=True),
    Change("from two processes to four", processes(4), kill=True),
    Change("from four processes to one, of two workers", processes(1, 2), kill=True),
    Change("one worker", processes(1)),
    Change("Elasticsearch on", search_on("index"), kill=True),
    Change("Elasticsearch unchanged"),
    Change("another index", search_on("another-index")),
    Change("Elasticsearch off", settings(ELASTICSEARCH_URL="")),
    Change("JSON lines in place of Parquet", settings(S3_FORMAT="jsonl")),
    Change("another bucket", lambda setup: setup.set(S3_BUCKET=setup.bucket("another"))),
    Change("S3 off", settings(S3_BUCKET="")),
    Change("Elasticsearch on again", search_on("index")),
    Change("S3 on again", lambda setup: setup.set(S3_BUCKET=setup.topics("archive"), S3_FORMAT="parquet")),
    Change("other keys of objects", settings(S3_KEY="{prefix}/club={club_status}/{lane}-{sequence}.{ext}")),
    Change("another topic of enriched ratings", renamed("ENRICHED_TOPIC", "enriched-2")),
    Change("another topic of alerts", renamed("ALERTS_TOPIC", "alerts-2")),
    Change("another topic of dead letters", renamed("DEAD_LETTERS_TOPIC", "dead-letters-2")),
    Change(
        "Avro out", lambda setup: setup.set(OUTPUT_FORMAT="avro", SCHEMA_REGISTRY_URL=setup.registry.url), kill=True
    ),
    Change("more Avro"),
    Change("JSON out", settings(OUTPUT_FORMAT="json")),
    Change("more partitions of ratings", lambda setup: setup.grow("ratings", 5)),
    Change("more partitions of customers", lambda setup: setup.grow("customers", 3)),
    Change("more partitions of enriched ratings", lambda setup: setup.grow("enriched-2", 4), kill=True),
    Change("no grace", settings(UNMATCHED="dead-letter", UNMATCHED_GRACE_SECONDS="0")),
    Change("another consumer group", renamed("KAFKA_GROUP_ID", "another-group")),
    Change("another topic of ratings", other_ratings),
    Change("the first topic of ratings again", renamed("RATINGS_TOPIC", "ratings")),
]


@pytest.mark.timeout(900)
def test_what_changes_between_two_runs(setup: Setup, tmp_path: Path) -> None:
    """Run after run on one store, each with one change; what every output has is checked after each, S3 in the end."""
    for number, change in enumerate(CHANGES, 1):
        change.make(setup)
        job = Job(tmp_path, setup.settings, processes=setup.processes, workers=setup.workers)
        with job:
            setup.rate()
            outputs = setup.outputs()
            slow = [output for output in setup.expected if output[0] == "bucket"]
            last = number == len(CHANGES)
            setup.wait(slow if last else [output for output in outputs if output not in slow], job)
            if change.kill:
                job.kill()
            else:
                assert set(job.stop()) == {0}, f"{change.name}: {job.tail()}"
        try:
            setup.check([output for output in (setup.expected if last else outputs) if last or output not in slow])
        except AssertionError as error:
            raise AssertionError(f"{number}, {change.name}: {error}\n{job.tail()}") from None
    assert [unfinished(setup.s3, bucket) for kind, bucket in setup.expected if kind == "bucket"] == [[], []]
