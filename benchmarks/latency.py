"""The latency of enriched ratings under a steady load, minute after minute: the project, and a plain loop."""

import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import orjson

from benchmarks.harness.backlog import PARTITIONS, customer
from benchmarks.harness.contestants import LOOP, Contestant, project
from benchmarks.harness.data import Data
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.running import await_count, broker, environment, running
from benchmarks.harness.usage import cpu_seconds
from benchmarks.harness.verify import WrongOutput
from servers.kafka import Kafka
from servers.topics import Record, read, write

SPAN_SECONDS = 30
HEADER = f"{'':14}{'ratings':>10}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'CPUs':>8}"


@dataclass(frozen=True)
class Span:
    """A part of a run."""

    contestant: str
    seconds: int
    """From the begin of the load to the end of the span."""
    ratings: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    """From the writing of a rating to the append of the enriched one, by the clock of the machine."""
    cpus: float
    """What the contestant's processes used."""


def compare(options: Namespace) -> dict[str, Any]:
    """Give both the same load in turn; print every span, and return them."""
    spans = []
    with broker() as kafka:
        print(f"{options.rate:,} ratings/s\n{HEADER}", flush=True)
        for contestant in (project(options.processes), LOOP):
            spans += load(kafka, contestant, options)
    return {"spans": spans}


def load(kafka: Kafka, contestant: Contestant, options: Namespace) -> list[Span]:
    """Let a contestant enrich ratings that are written at a steady rate; print and return the spans.

    Raises:
        RuntimeError: it ended by itself or enriched nothing; the message has its output.
        WrongOutput: a rating is not there once.
    """
    run = f"{contestant.name}-{uuid.uuid4().hex[:8]}"
    a_span = options.rate * SPAN_SECONDS
    data = Data(options.seed, 1 + a_span * (options.seconds // SPAN_SECONDS), options.customers)
    customers, ratings = f"customers-{run}", f"ratings-{run}"
    kafka.create_topic(customers, PARTITIONS, cleanup_policy="compact")
    kafka.create_topic(ratings, PARTITIONS)
    write(kafka.bootstrap, customers, (customer(data, number) for number in range(1, data.customers + 1)))
    outputs = Outputs.create(kafka, run)
    cpus: list[float] = []
    with running(kafka, contestant, environment(kafka, run, outputs, ratings, customers)) as job:

        def all_ratings() -> Iterator[Record]:
            yield _rating(data, 0)
            await_count(kafka, outputs.enriched, 1, job)
            for first in range(1, data.ratings, a_span):
                before = cpu_seconds(job.pids)
                yield from _steadily(data, first, options.rate)
                cpus.append((cpu_seconds(job.pids) - before) / SPAN_SECONDS)

        write(kafka.bootstrap, ratings, all_ratings())
        await_count(kafka, outputs.enriched, data.ratings, job)
    latencies = _latencies(kafka, outputs.enriched, data.ratings)
    spans = []
    for number, used in enumerate(cpus):
        part = latencies[1 + number * a_span :][:a_span]
        hundredths = quantiles(part, n=100)
        seconds = (number + 1) * SPAN_SECONDS
        spans.append(Span(contestant.name, seconds, len(part), hundredths[49], hundredths[98], max(part), used))
        print(line(spans[-1]), flush=True)
    outputs.delete(kafka)
    return spans


def line(span: Span) -> str:
    """One row of the table."""
    return (
        f"{span.contestant:10}{span.seconds:5}{span.ratings:11,}{span.p50_ms:9.0f}{span.p99_ms:9.0f}{span.max_ms:9.0f}"
        f"{span.cpus:8.2f}"
    )


def _rating(data: Data, number: int) -> Record:
    return Record(b"%d" % number, orjson.dumps(data.rating(number)))


def _steadily(data: Data, first: int, rate: int) -> Iterator[Record]:
    """The ratings of a span, each when it is time for it."""
    began = time.monotonic()
    for number in range(rate * SPAN_SECONDS):
        while (early := began + number / rate - time.monotonic()) > 0:
            time.sleep(min(early, 0.002))
        yield _rating(data, first + number)


def _latencies(kafka: Kafka, topic: str, ratings: int) -> list[int]:
    """Milliseconds, by rating id."""
    found = [-1] * ratings
    for message in read(kafka.bootstrap, topic):
        row = orjson.loads(message.value() or b"")
        if found[row["rating_id"]] >= 0:
            raise WrongOutput(f"rating {row['rating_id']} is there twice")
        found[row["rating_id"]] = message.timestamp()[1] - row["rating_ts"]
    if -1 in found:
        raise WrongOutput(f"rating {found.index(-1)} is not there")
    return found
