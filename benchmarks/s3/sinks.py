"""The comparison of sinks: each contestant, in a process of its own, writes the same rows."""

import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness import quix
from benchmarks.harness.data import Data
from benchmarks.harness.results import in_turn
from benchmarks.harness.work import Writer
from benchmarks.s3 import content
from benchmarks.s3.work import Work
from servers.s3 import S3

PARQUET, JSONL, ARROW = "project parquet", "project jsonl", "pyarrow, local file"
QUIX_PARQUET, QUIX_JSON, QUIX_GZIP = "Quix parquet", "Quix json", "Quix json.gz"
RATIOS = ((PARQUET, ARROW), (PARQUET, QUIX_PARQUET), (JSONL, QUIX_JSON), (JSONL, QUIX_GZIP))
TARGETS = {ARROW: 0.7, QUIX_PARQUET: 1.0, QUIX_JSON: 1.0, QUIX_GZIP: 1.0}
"""Of the rows a second of CPU, ours over the rival's: at least that."""
HEADER = (
    f"{'':32}{'rows/s':>12}{'JSON MiB/s':>12}{'CPU us/row':>12}"
    f"{'MiB written':>13}{'lane state MiB':>16}{'snapshot ms':>13}"
)


@dataclass(frozen=True)
class Run:
    """What one run took: from the first row that was handed over until all are in visible objects."""

    contestant: str
    rows: int
    seconds: float
    rows_per_s: float
    json_mib_per_s: float
    """The rows as JSON, whatever was written."""
    cpu_us_per_row: float
    """CPU of the contestant's process, all its threads."""
    written_bytes: int
    snapshot_bytes: int
    """The largest state of a lane, pickled; 0 where there are no snapshots."""
    snapshot_ms: float
    """The median of the snapshots while rows came, of all lanes, pickled."""


def compare(server: S3, folder: Path, data: Data, rounds: int) -> dict[str, Any]:
    """Let all write into fresh buckets in turn; print every run, and return them with the medians of each."""
    python = quix.python("quix-s3")
    writers = (
        Writer(PARQUET, "benchmarks.s3.project", ("parquet",)),
        Writer(JSONL, "benchmarks.s3.project", ("jsonl",)),
        Writer(ARROW, "benchmarks.s3.arrow"),
        Writer(QUIX_PARQUET, "benchmarks.s3.quix", ("parquet",), python),
        Writer(QUIX_JSON, "benchmarks.s3.quix", ("json",), python),
        Writer(QUIX_GZIP, "benchmarks.s3.quix", ("json.gz",), python),
    )
    size = sum(len(orjson.dumps(rating)) for rating in Work(data, "", "", "").ratings())
    print(f"writing {data.ratings:,} rows of {size / data.ratings:.0f} bytes as JSON\n{HEADER}", flush=True)
    ways = {writer.name: partial(measure, server, folder, writer, data, size) for writer in writers}
    runs, summary = in_turn(ways, rounds, line)
    for ours, rival in RATIOS:
        print(ratio(summary[ours], summary[rival]))
    return {"runs": runs, "medians": summary, "json_bytes": size}


def measure(server: S3, folder: Path, writer: Writer, data: Data, json_bytes: int) -> Run:
    """Let one write into a fresh bucket, or a file in `folder`, verify what is there then, and delete it.

    Raises:
        RuntimeError: it failed; the message has what it printed.
        WrongOutput: what it wrote is not right.
    """
    name, practice = f"bench-{uuid.uuid4().hex}", f"practice-{uuid.uuid4().hex}"
    file = folder / f"{name}.parquet"
    work = Work(data, name, practice, str(file))
    server.create_bucket(name)
    server.create_bucket(practice)
    took = writer.run(work, server.environment)
    client = server.client()
    if file.exists():
        written = file.stat().st_size
        content.verify(content.of_file(file), data.ratings, work.rating)
        file.unlink()
    else:
        written = content.size(client, name)
        content.verify(content.of_bucket(client, name), data.ratings, work.rating)
    content.remove(client, name)
    content.remove(client, practice)
    return Run(
        contestant=writer.name,
        rows=data.ratings,
        seconds=took["seconds"],
        rows_per_s=data.ratings / took["seconds"],
        json_mib_per_s=json_bytes / 2**20 / took["seconds"],
        cpu_us_per_row=took["cpu_seconds"] / data.ratings * 1e6,
        written_bytes=written,
        snapshot_bytes=took.get("snapshot_bytes", 0),
        snapshot_ms=took.get("snapshot_ms", 0.0),
    )


def line(run: Run, name: str) -> str:
    """One row of the table."""
    state = f"{run.snapshot_bytes / 2**20:16.2f}{run.snapshot_ms:13.1f}" if run.snapshot_bytes else ""
    return (
        f"{name:32}{run.rows_per_s:12,.0f}{run.json_mib_per_s:12.1f}{run.cpu_us_per_row:12.2f}"
        f"{run.written_bytes / 2**20:13.1f}{state}"
    )


def ratio(ours: Run, rival: Run) -> str:
    """A closing line: ours over the rival's, and whether that is what it must be."""
    rate = ours.rows_per_s / rival.rows_per_s
    core = rival.cpu_us_per_row / ours.cpu_us_per_row
    target = TARGETS[rival.contestant]
    verdict = "met" if core >= target else "MISSED"
    return (
        f"{ours.contestant} / {rival.contestant}: ratio rows/s {rate:.2f}, "
        f"rows a second of CPU {core:.2f} (target >= {target}: {verdict})"
    )
