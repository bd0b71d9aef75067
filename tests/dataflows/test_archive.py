"""The archive branch of the main job, on a real Kafka and a real S3, and the job is killed."""

import gzip
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from dataflows.archive import SCHEMA
from dataflows.letters import Letters, refused_records
from dataflows.wiring.errors import StartupError
from dataflows.wiring.s3 import connect
from records.enriched import EnrichedRating
from servers.embedded.s3 import EmbeddedS3, Endpoint
from servers.job import Job
from servers.kafka import Kafka
from servers.s3 import S3
from servers.topics import Record, write
from settings import Archive
from sinks.s3 import Rolling
from tests.dataflows.world import Names, Outputs, Patience, Row, World
from tests.sinks.test_s3 import settle
from tests.sinks.test_s3_times import TIMES
from tests.test_docs import example, query

CUSTOMERS = 1000

# `make soak` asks for more of everything.
RATINGS = int(os.environ.get("ARCHIVE_RATINGS", "15000"))
KILLS = int(os.environ.get("ARCHIVE_KILLS", "3"))
VARIANTS = [("parquet", [3, 2, 4]), ("jsonl", [1, 2])]
if "ARCHIVE_KILLS" in os.environ:
    VARIANTS += [("parquet", [2]), ("parquet", [1]), ("jsonl", [1])]


@pytest.fixture
def world(kafka: Kafka, names: Names) -> World:
    for name, topic in names.items():
        kafka.create_topic(topic, partitions=3, cleanup_policy="compact" if name == "customers" else "delete")
    world = World(kafka.bootstrap, names, Random(13))
    world.change_customers(range(1, CUSTOMERS + 1), changes=300)
    return world


@pytest.fixture
def bucket(s3: S3, topics: Callable[[str], str]) -> str:
    name = topics("archive")
    s3.create_bucket(name)
    return name


def settings(world: World, s3: S3, bucket: str, **more: str) -> dict[str, str]:
    return world.settings(**{"S3_BUCKET": bucket, "S3_ROLL_SECONDS": "3", **s3.environment, **more})


def anybody(world: World) -> Callable[[], int]:
    return lambda: world.random.randrange(-1, CUSTOMERS + 1)


def archived(s3: S3, bucket: str, known: dict[str, list[Row]] | None = None) -> list[Row]:
    """The rows of all objects; those in `known`, where the others are added, are not read again."""
    client, rows = s3.client(), {} if known is None else known
    for key in set(keys(s3, bucket)) - rows.keys():
        rows[key] = read(key, client.get_object(Bucket=bucket, Key=key)["Body"].read())
    return [row for of_object in rows.values() for row in of_object]


def read(key: str, body: bytes) -> list[Row]:
    if key.endswith(".jsonl.gz"):
        return [json.loads(line) for line in gzip.decompress(body).splitlines()]
    table = pq.read_table(io.BytesIO(body))
    assert table.schema.equals(SCHEMA)
    return [{**row, "rating_ts": round(row["rating_ts"].timestamp() * 1000)} for row in table.to_pylist()]


def finish(world: World, s3: S3, bucket: str, outputs: Outputs, job: Job) -> None:
    """Wait until everything is visible, stop the job, and compare with the model: each rating once."""
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
    patience, seen = Patience(), dict[str, list[Row]]()
    while (found := len(archived(s3, bucket, seen))) < len(world.ratings) and patience.lasts(found):
        assert job.running(), job.tail()
        time.sleep(1)
    time.sleep(2)  # for what would come twice
    assert set(job.stop()) == {0}, job.tail()
    check(world, s3, bucket)


def check(world: World, s3: S3, bucket: str) -> None:
    """Compare the rows of all objects with the model: each rating is there once."""
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


def test_ratings_whose_timestamps_are_no_dates_stop_nothing(
    kafka: Kafka, topics: Callable[[str], str], world: World, s3: S3, bucket: str, tmp_path: Path
) -> None:
    """Kafka takes them where a topic's limits on timestamps are wide; here they are microseconds, and worse."""
    ratings = topics("odd-ratings")
    kafka.create_topic(ratings, partitions=1, message_timestamp_after_max_ms=2**63 - 1)
    times = [when for when, _, _ in TIMES if when > 0]
    row = {"user_id": 1, "stars": 3, "message": None, "channel": None}
    values = (json.dumps({"rating_id": number, **row}) for number in range(len(times)))
    records = (Record(None, value, timestamp=when) for value, when in zip(values, times, strict=True))
    write(world.bootstrap, ratings, records)
    variables = {**settings(world, s3, bucket), "RATINGS_TOPIC": ratings}
    with Job(tmp_path, variables) as job:
        deadline = time.monotonic() + 60
        while len(keys(s3, bucket)) < len({date for when, date, _ in TIMES if when > 0}):
            assert job.running(), job.tail()
            assert time.monotonic() < deadline, job.tail()
            time.sleep(0.5)
        assert set(job.stop()) == {0}, job.tail()
    found = Counter(key.split("/")[1] for key in keys(s3, bucket))
    assert found.keys() == {f"dt={date}" for when, date, _ in TIMES if when > 0}
    client, rows = s3.client(), 0
    for key in keys(s3, bucket):
        rows += pq.read_table(io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read())).num_rows
    assert rows == len(times)


def test_of_several_processes_the_cause_is_in_the_log(world: World, s3: S3, bucket: str, tmp_path: Path) -> None:
    """Bytewax loses an exception's text there."""
    with Job(tmp_path, settings(world, s3, bucket, S3_ROLL_SECONDS="1"), processes=2) as job:
        world.rate(1000, anybody(world))
        deadline = time.monotonic() + 60
        while not keys(s3, bucket):  # a start without a bucket ends with another line
            assert job.running(), job.tail()
            assert time.monotonic() < deadline, job.tail()
            time.sleep(0.1)
        client = s3.client()
        deadline = time.monotonic() + 40
        while job.running() and time.monotonic() < deadline:
            with suppress(ClientError):  # it is gone, or was written to meanwhile
                for key in keys(s3, bucket):
                    client.delete_object(Bucket=bucket, Key=key)
                client.delete_bucket(Bucket=bucket)
            world.rate(20, anybody(world))
            time.sleep(0.5)
        assert not job.running()
    lines = [line for line in job.tail().splitlines() if "ERROR sinks.s3" in line]
    assert any("NoSuchBucket" in line for line in lines), job.tail()


def test_it_needs_a_recovery_store(world: World, s3: S3, bucket: str, tmp_path: Path) -> None:
    with Job(tmp_path, settings(world, s3, bucket), recovery=0) as job:
        assert job.wait(30) == [1]
    assert "ratings: S3_BUCKET needs a recovery store" in job.tail()


def answering(head: tuple[int, dict[str, str]], get: tuple[int, str]) -> ThreadingHTTPServer:
    """Something on a free port that answers HEAD and GET so."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(head[0])
            for name, value in head[1].items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(get[0])
            self.end_headers()
            self.wfile.write(f"<Error><Code>{get[1]}</Code><Message>m</Message></Error>".encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("head", "get", "says", "starts"),
    [
        ((200, {}), (200, ""), "", True),
        ((403, {}), (403, "AccessDenied"), "s3:ListBucket", True),
        ((403, {}), (403, "RequestTimeTooSkewed"), "RequestTimeTooSkewed", True),
        ((503, {}), (503, "SlowDown"), "not there yet", True),
        ((500, {}), (500, "InternalError"), "not there yet", True),
        (
            (403, {}),
            (403, "SignatureDoesNotMatch"),
            "S3 denies us the bucket 'archive': .*SignatureDoesNotMatch",
            False,
        ),
        ((403, {}), (403, "InvalidAccessKeyId"), "S3 denies us the bucket 'archive': .*InvalidAccessKeyId", False),
        ((400, {}), (400, "ExpiredToken"), "S3 denies us the bucket 'archive': .*ExpiredToken", False),
        ((404, {}), (404, "NoSuchBucket"), "S3_BUCKET is 'archive', but there is no such bucket", False),
        ((301, {"x-amz-bucket-region": "eu-west-1"}), (200, ""), "is in region eu-west-1: set S3_REGION", False),
    ],
)
def test_what_the_bucket_answers_at_the_start(
    head: tuple[int, dict[str, str]],
    get: tuple[int, str],
    says: str,
    starts: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = answering(head, get)
    monkeypatch.setenv("BYTEWAX_RECOVERY_DIRECTORY", "somewhere")
    for name, value in Endpoint(f"http://127.0.0.1:{server.server_port}").environment.items():
        monkeypatch.setenv(name, value)
    settings = Archive(bucket="archive", addressing="path")
    try:
        if starts:
            assert connect(settings, bury=print) is not None
            assert says in caplog.text
            assert len(caplog.records) == bool(says)
        else:
            with pytest.raises(StartupError, match=says):
                connect(settings, bury=print)
    finally:
        server.shutdown()
        server.server_close()


def test_a_rating_that_no_object_can_hold_is_a_dead_letter() -> None:
    odd = enriched(8, 10)
    odd.rating_ts = None  # type: ignore[assignment]
    rejected = [(enriched(7, 10), "UnicodeEncodeError", "no \ud800"), (odd, "TypeError", "no time")]
    written = Letters("ratings", lambda _: {})(refused_records("archive", "bucket", rejected))
    letters = {key: json.loads(value) for key, value, *_ in written}
    assert letters.keys() == {"ratings-0-7", "ratings-0-8"}
    assert {(letter["step"], letter["destination"]) for letter in letters.values()} == {("archive", "bucket")}
    assert [letters[key]["timestamp"] for key in ("ratings-0-7", "ratings-0-8")] == [0, -1]
    assert letters["ratings-0-7"]["message"].startswith("no ")


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_ratings_without_a_date_are_read_with_the_others(
    form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the statements of docs/archive.md."""
    times = [time for time, _, _ in TIMES]
    monkeypatch.setenv("BYTEWAX_RECOVERY_DIRECTORY", "somewhere")
    monkeypatch.chdir(tmp_path)
    with EmbeddedS3() as server:
        server.create_bucket("archive")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        sink = connect(Archive(bucket="archive", format=form, max_open_objects=100), bury=print)
        assert sink is not None
        lane = replace(sink, rolling=Rolling(seconds=0)).build_part("archive", "0000", None)
        lane.write_batch([[enriched(number, 10, time) for number, time in enumerate(times)]])
        settle(lane)
        lane.close()
        client = server.client()
        for found in client.list_objects_v2(Bucket="archive")["Contents"]:
            path = tmp_path / found["Key"].replace("ratings/", {"parquet": "archive/", "jsonl": "lines/"}[form], 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(client.get_object(Bucket="archive", Key=found["Key"])["Body"].read())
    if form == "jsonl":
        lines = query(
            "SELECT dt, rating_ts FROM read_json('lines/*/*/*.jsonl.gz', format = 'newline_delimited', "
            "hive_partitioning = true)"
        )
        assert sorted(lines) == sorted((date, when) for when, date, _ in TIMES)
        return
    assert [row[0] for row in query(example("sql"))] == ["2018-06-12", "2100-01-01", "9999-12-31"]
    unknown = "SELECT count(*), count(rating_ts) FROM 'archive/*/*/*.parquet' WHERE dt = 'unknown'"
    assert query(unknown) == [(sum(date == "unknown" for _, date, _ in TIMES), 0)]
    names: dict[str, Any] = {}
    exec(example("python").replace("<= 2", "<= 4"), names)  # noqa: S102
    assert len(names["rows"]) == len(TIMES)


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
        settle(lane)
        lane.close()
        client = server.client()
        (key,) = [found["Key"] for found in client.list_objects_v2(Bucket="archive")["Contents"]]
        head = client.head_object(Bucket="archive", Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "key-7")
        assert head["StorageClass"] == "STANDARD_IA"
        tags = client.get_object_tagging(Bucket="archive", Key=key)["TagSet"]
        assert tags == [{"Key": "team", "Value": "flights"}, {"Key": "cost", "Value": "7"}]
        assert ("-" in head["ETag"]) == (message_bytes == 2000), "S3's mark of an object in parts"


def enriched(number: int, message_bytes: int, when: int = 0) -> EnrichedRating:
    message = Random(number).randbytes(message_bytes // 2).hex()
    nobody = (None,) * 6
    return EnrichedRating(number, 7, 4, None, None, "web", message, when, *nobody, 0, number)
