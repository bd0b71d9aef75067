"""What partitions cost: the project drains the same backlog from few partitions and from many."""

import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.harness.backlog import CUSTOMERS, PARTITIONS, customer
from benchmarks.harness.contestants import project
from benchmarks.harness.data import Data
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.running import await_count, broker, environment, running
from benchmarks.harness.usage import cpu_seconds, peak_megabytes, threads
from servers.kafka import Kafka
from servers.topics import Reader, Record, write

SAMPLE_SECONDS = 0.05
STALLED_SECONDS = 60.0
HEADER = f"{'':16}{'ratings/s':>12}{'CPU us/rating':>16}{'peak RSS MiB':>15}{'threads':>10}"


@dataclass(frozen=True)
class Run:
    """One backlog, drained."""

    partitions: int
    ratings_per_s: float
    cpu_us_per_rating: float
    peak_rss_mib: float
    threads: int


def compare(options: Namespace) -> dict[str, Any]:
    """Drain a backlog on 4 partitions and one on many, in turn; print every run, and return them."""
    data = Data(options.seed, options.ratings, options.customers)
    counts = (PARTITIONS, options.partitions)
    with broker() as kafka:
        print(f"writing {data.customers:,} customers, and {data.ratings:,} ratings twice", flush=True)
        kafka.create_topic(CUSTOMERS, PARTITIONS, cleanup_policy="compact")
        write(kafka.bootstrap, CUSTOMERS, (customer(data, number) for number in range(1, data.customers + 1)))
        for count in counts:
            kafka.create_topic(f"ratings-{count}", count, retention_ms=-1)
            write(kafka.bootstrap, f"ratings-{count}", _ratings(data, count))
        print(HEADER)
        runs = []
        for number in range(1, options.rounds + 1):
            for count in counts:
                run = _drain(kafka, data.ratings, count, f"{count}-{number}")
                numbers = f"{run.ratings_per_s:12,.0f}{run.cpu_us_per_rating:16.2f}{run.peak_rss_mib:15,.0f}"
                print(f"{count:4} partitions {number}{numbers}{run.threads:10}", flush=True)
                runs.append(run)
    return {"runs": runs}


def _ratings(data: Data, partitions: int) -> Iterator[Record]:
    for number in range(data.ratings):
        rating = data.rating(number)
        yield Record(b"%d" % number, orjson.dumps(rating), number % partitions, rating["rating_time"])


def _drain(kafka: Kafka, ratings: int, partitions: int, name: str) -> Run:
    outputs = Outputs.create(kafka, name)
    env = environment(kafka, name, outputs, ratings=f"ratings-{partitions}")
    with running(kafka, project(), env) as job, Reader(kafka.bootstrap, outputs.enriched) as reader:
        await_count(kafka, outputs.enriched, 1, job)
        first = sum(reader.ends())
        began, cpu = time.monotonic(), cpu_seconds(job.pids)
        last, changed = first, began
        while (count := sum(reader.ends())) < ratings:
            job.check()
            now = time.monotonic()
            if count != last:
                last, changed = count, now
            if now - changed > STALLED_SECONDS:
                raise RuntimeError(f"{ratings - count} are left, and no more came since {STALLED_SECONDS:.0f} s")
            time.sleep(SAMPLE_SECONDS)
        seconds, used = time.monotonic() - began, cpu_seconds(job.pids) - cpu
        peak, most = peak_megabytes(job.pids), threads(job.pids)
    outputs.delete(kafka)
    done = ratings - first
    return Run(partitions, done / seconds, used / done * 1e6, peak, most)
