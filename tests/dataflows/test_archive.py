"""The archive branch of the main job, on a real Kafka and a real S3, and the job is killed."""

import gzip
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest

from dataflows.archive import SCHEMA, connect
from embedded.s3 import EmbeddedS3
from records.enriched import EnrichedRating
from settings import Archive
from tests.dataflows.world import Outputs, Row, World
from tests.job import Job
from tests.servers.kafka import Kafka
from tests.servers.s3 import S3

CUSTOMERS = 1000

# `make soak` asks for more of everything.
RATINGS = int(os.environ.get("ARCHIVE_RATINGS", "30000"))
KILLS = int(os.environ.get("ARCHIVE_KILLS", "3"))
VARIANTS = [("parquet", [2]), ("jsonl", [1, 2])]
if "ARCHIVE_KILLS" in os.environ:
    VARIANTS += [("parquet", [1]), ("jsonl", [1])]


@pytest.fixture
def world(kafka: Kafka, topics: Callable[[str], str]) -> World:
    names = {name: topics(name) for name in ("ratings", "customers", "enriched", "alerts", "dead_letters")}
    for name, topic in names.items():
        kafka.create_topic(topic, partitions=3, cleanup_policy="compact" if name == "customers" else "delete")
    world = World(kafka.bootstrap, names, Random(13))
    world.change_customers(range(1, CUSTOMERS + 1), changes=300)
    return world


@pytest.fixture
def outputs(world: World) -> Iterator[Outputs]:
    outputs = Outputs(world)
    yield outputs
    outputs.close()


@pytest.fixture
def bucket(s3: S3, topics: Callable[[str], str]) -> str:
    name = topics("archive")
    s3.create_bucket(name)
    return name


def settings(world: World, s3: S3, bucket: str, **more: str) -> dict[str, str]:
    names = {f"{name.upper()}_TOPIC": topic for name, topic in world.topics.items()}
    group = {"KAFKA_BOOTSTRAP_SERVERS": world.bootstrap, "KAFKA_GROUP_ID": world.topics["ratings"]}
    archive = {"S3_BUCKET": bucket, "S3_ROLL_SECONDS": "3", **s3.environment}
    return {**names, **group, **archive, "UNMATCHED_GRACE_SECONDS": "1", **more}


def anybody(world: World) -> Callable[[], int]:
    return lambda: world.random.randrange(-1, CUSTOMERS + 1)


def archived(s3: S3, bucket: str) -> list[Row]:
    client, rows = s3.client(), list[Row]()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            rows += read(item["Key"], client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
    return rows


def read(key: str, body: bytes) -> list[Row]:
    if key.endswith(".jsonl.gz"):
        return [json.loads(line) for line in gzip.decompress(body).splitlines()]
    table = pq.read_table(io.BytesIO(body))
    assert table.schema.equals(SCHEMA)
    return [{**row, "rating_ts": round(row["rating_ts"].timestamp() * 1000)} for row in table.to_pylist()]


def finish(world: World, s3: S3, bucket: str, outputs: Outputs, job: Job, seconds: float = 90) -> None:
    """Wait until everything is visible, stop the job, and compare with the model: each rating once."""
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
    deadline = time.monotonic() + seconds
    while len(rows := archived(s3, bucket)) < len(world.ratings) and time.monotonic() < deadline:
        assert job.running(), job.tail()
        time.sleep(1)
    time.sleep(2)  # for what would come twice
    assert set(job.stop()) == {0}, job.tail()
    rows = archived(s3, bucket)
    times = Counter((row["source_partition"], row["source_offset"]) for row in rows)
    expected = world.enriched()
    assert [place for place, count in times.items() if count > 1] == []
    assert times.keys() == expected.keys()
    assert all(row == expected[row["source_partition"], row["source_offset"]] for row in rows)
    assert unfinished(s3, bucket) == []


def unfinished(s3: S3, bucket: str) -> list[Any]:
    return list(s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []))


@pytest.mark.parametrize(("form", "processes"), VARIANTS)
def test_kills_leave_each_rating_in_one_object(
    world: World, s3: S3, bucket: str, outputs: Outputs, tmp_path: Path, form: str, processes: list[int]
) -> None:
    # Parts go up when they have 5 MiB: bulky messages make them.
    world.bulk = 120_000_000 // RATINGS
    variables = settings(world, s3, bucket, S3_FORMAT=form, S3_ROLL_SECONDS="6", S3_ROLL_BYTES=str(12 << 20))
    for number in range(KILLS):
        count = processes[min(number * len(processes) // KILLS, len(processes) - 1)]
        with Job(tmp_path, variables, processes=count) as job:
            world.rate(RATINGS // (KILLS + 1), anybody(world))
            time.sleep(world.random.uniform(1, 5))
            assert job.running(), job.tail()
            job.kill()
    with Job(tmp_path, variables, processes=processes[-1]) as job:
        world.rate(RATINGS // (KILLS + 1), anybody(world))
        finish(world, s3, bucket, outputs, job)
    print(
        f"{form}, {processes} processes, {KILLS} kills: {len(world.ratings)} ratings in {len(keys(s3, bucket))} objects"
    )


def keys(s3: S3, bucket: str) -> list[str]:
    pages = s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"S3_BUCKET": "no-such-bucket"}, "ratings: S3_BUCKET is 'no-such-bucket', but there is no such bucket"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "ratings: S3 denies us the bucket "),
        ({"S3_KEY": "{lane}"}, "ratings: S3_KEY: '{lane}' lacks {sequence}"),
        ({"S3_KEY": "{nobody}/{lane}-{sequence}"}, "ratings: S3_KEY is '{nobody}/{lane}-{sequence}', but"),
        ({"S3_FORMAT": "csv"}, "ratings: S3_FORMAT is 'csv', but it should be 'parquet' or 'jsonl'"),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_one_line(
    world: World, s3: S3, bucket: str, tmp_path: Path, variables: dict[str, str], line: str
) -> None:
    with Job(tmp_path, settings(world, s3, bucket, **variables)) as job:
        assert job.wait(30) == [1]
    assert job.tail().strip().splitlines()[-1].startswith(line), job.tail()
    assert "Traceback" not in job.tail()


def test_it_needs_a_recovery_store(world: World, s3: S3, bucket: str, tmp_path: Path) -> None:
    with Job(tmp_path, settings(world, s3, bucket), recovery=False) as job:
        assert job.wait(30) == [1]
    assert "ratings: S3_BUCKET needs a recovery store" in job.tail()


@pytest.mark.parametrize("message_bytes", [10, 2000], ids=["in one request", "in parts"])
def test_objects_have_encryption_class_and_tags(message_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedS3() as server:
        server.create_bucket("archive")
        monkeypatch.setenv("BYTEWAX_RECOVERY_DIRECTORY", "somewhere")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        sink = connect(
            Archive(
                bucket="archive",
                roll_rows=10_000,
                encryption="aws:kms",
                kms_key="key-7",
                storage_class="STANDARD_IA",
                tags="team=flights&cost=7",
            ),
            bury=lambda rejected: pytest.fail(str(rejected)),
        )
        assert sink is not None
        lane = sink.build_part("archive", "0000", None)
        for first in range(0, 10_000, 1000):
            lane.write_batch([[enriched(number, message_bytes) for number in range(first, first + 1000)]])
        while (state := lane.snapshot())["closing"] or state["sealed"]:
            time.sleep(0.05)
        lane.close()
        client = server.client()
        (key,) = [found["Key"] for found in client.list_objects_v2(Bucket="archive")["Contents"]]
        head = client.head_object(Bucket="archive", Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "key-7")
        assert head["StorageClass"] == "STANDARD_IA"
        tags = client.get_object_tagging(Bucket="archive", Key=key)["TagSet"]
        assert tags == [{"Key": "team", "Value": "flights"}, {"Key": "cost", "Value": "7"}]
        assert ("-" in head["ETag"]) == (message_bytes == 2000), "S3's mark of an object in parts"


def enriched(number: int, message_bytes: int) -> EnrichedRating:
    message = Random(number).randbytes(message_bytes // 2).hex()
    nobody = (None,) * 6
    return EnrichedRating(number, 7, 4, None, None, "web", message, 0, *nobody, 0, number)
