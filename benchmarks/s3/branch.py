"""What the archive branch costs the main job, which drains a backlog with S3 and without."""

import io
import time
import uuid
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from benchmarks.harness import report
from benchmarks.harness.backlog import fill
from benchmarks.harness.contestants import Contestant, project
from benchmarks.harness.data import Data
from benchmarks.harness.measure import Run, measure
from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verifier
from benchmarks.s3 import content
from servers.s3 import S3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROLL_SECONDS = 5
"""As short as the drain, that objects are closed soon after."""
LOOK_SECONDS = 1.0
TARGET = 0.7
"""The ratings a second with the branch over those without: at least that."""


def compare(server: S3, data: Data, rounds: int) -> dict[str, Any]:
    """Let the job drain with and without the branch in turn; print every run, the ratio and what a row costs."""
    client = server.client()
    without = replace(project(), name="without")
    with broker() as kafka:
        print(f"draining {data.ratings:,} ratings with the archive branch and without\n{report.HEADER}", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, without, data.ratings, verifier), "(warm-up)"), flush=True)

        def drain_with() -> Run:
            bucket = f"bench-{uuid.uuid4().hex}"
            server.create_bucket(bucket)
            run = measure(kafka, with_branch(server, bucket, data.ratings), data.ratings, verifier)
            content.verify(content.of_bucket(client, bucket), data.ratings, verifier.enriched)
            content.remove(client, bucket)
            return run

        ways = {"with": drain_with, "without": lambda: measure(kafka, without, data.ratings, verifier)}
        runs, summary = in_turn(ways, rounds, report.line)
    ratio = summary["with"].ratings_per_s / summary["without"].ratings_per_s
    core = summary["without"].cpu_us_per_rating / summary["with"].cpu_us_per_rating
    pairs = zip(runs[::2], runs[1::2], strict=True)
    more = median(run.busy_cpu_s - rest.busy_cpu_s for run, rest in pairs) / data.ratings * 1e6
    verdict = "met" if ratio >= TARGET else "MISSED"
    print(
        f"with the branch / without: ratio ratings/s {ratio:.2f} (target >= {TARGET}: {verdict}), "
        f"ratings a second of CPU {core:.2f}; client CPU a row more {more:.1f} us"
    )
    return {"runs": runs, "medians": summary, "ratio": ratio, "cpu_ratio": core, "cpu_us_per_row_more": more}


def with_branch(server: S3, bucket: str, rows: int) -> Contestant:
    """The job with the branch, until so many rows are in visible objects."""
    archive = {"S3_BUCKET": bucket, "S3_FORMAT": "parquet", "S3_ROLL_SECONDS": str(ROLL_SECONDS), **server.environment}
    visible = Visible(server.client(), bucket)
    return replace(project(), name="with", env=archive, left=lambda: rows - visible.rows())


class Visible:
    """Counts the rows in the objects of a bucket; it looks seldom, and at each object once."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._rows: dict[str, int] = {}
        self._due = 0.0

    def rows(self) -> int:
        """How many there were when it looked last."""
        if time.monotonic() > self._due:
            for key in content.keys(self._client, self._bucket):
                if key not in self._rows:
                    body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
                    self._rows[key] = pq.read_metadata(io.BytesIO(body)).num_rows
            self._due = time.monotonic() + LOOK_SECONDS
        return sum(self._rows.values())
