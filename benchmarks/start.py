"""The start of the main job on many customers: how long until the first rating is out, and what a customer weighs."""

import os
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.avro import customers
from benchmarks.avro.customers import Form
from benchmarks.avro.people import People
from benchmarks.harness.backlog import PARTITIONS
from benchmarks.harness.contestants import project
from benchmarks.harness.data import FIRST_RATING_TIME, enriched
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.results import medians
from benchmarks.harness.running import await_count, broker, environment, running
from benchmarks.harness.usage import cpu_seconds, peak_megabytes
from benchmarks.harness.verify import WrongOutput
from messages.registry import Registry
from servers.embedded.registry import RegistryDouble
from servers.kafka import Kafka
from servers.topics import Record, read, write

FEW = 1_000
"""Customers of the job whose memory is the measure."""
SETTLE_SECONDS = 2.0
TARGET_SECONDS, TARGET_BYTES = 10.0, 600
HEADER = f"{'':28}{'s until first':>15}{'CPU s until then':>18}{'RSS MiB':>10}{'peak MiB':>10}{'bytes/customer':>16}"


@dataclass(frozen=True)
class Run:
    """One start.

    The process has loaded everything when the first enriched rating is there.
    """

    form: str
    workers: int
    customers: int
    until_first_s: float
    """From the start of the process to the append of the first enriched rating."""
    cpu_s: float
    """Of the process until then."""
    rss_bytes: int
    """Resident some seconds later."""
    peak_mib: float


@dataclass(frozen=True)
class Topic:
    """Customers in a form, and one rating of one of them."""

    form: Form
    customers: str
    ratings: str
    data: People

    @classmethod
    def fill(cls, kafka: Kafka, form: Form, data: People) -> "Topic":
        """Write both topics."""
        name = f"{form.name.replace(' ', '-')}-{data.customers}"
        topic = cls(form, f"customers-{name}", f"ratings-{name}", data)
        kafka.create_topic(topic.customers, PARTITIONS, cleanup_policy="compact")
        kafka.create_topic(topic.ratings, PARTITIONS, retention_ms=-1)
        write(kafka.bootstrap, topic.customers, topic._changes())
        write(kafka.bootstrap, topic.ratings, [Record(b"0", orjson.dumps(data.rating(0)), 0, FIRST_RATING_TIME)])
        return topic

    def expected(self) -> dict[str, Any]:
        """What must come out."""
        rating = self.data.rating(0)
        return enriched(rating, self.data.known(rating["user_id"]), partition=0, offset=0)

    def delete(self, kafka: Kafka) -> None:
        """Delete both topics."""
        admin = kafka.admin()  # held: without its client, a result never comes
        for deleted in admin.delete_topics([self.customers, self.ratings]).values():
            deleted.result()

    def _changes(self) -> Iterator[Record]:
        for number in range(1, self.data.customers + 1):
            row = self.data.customer(number)
            yield Record(self.form.key(row), self.form.value(row))


def compare(options: Namespace) -> dict[str, Any]:
    """Start the job on each form of the customers; print every start, and return them with the medians and verdicts."""
    data, few = (People(options.seed, 1, count) for count in (options.table, FEW))
    results: dict[str, Any] = {}
    with (
        RegistryDouble() as double,
        broker() as kafka,
    ):
        print(f"starting with {data.customers:,} customers\n{HEADER}", flush=True)
        for form in customers.forms(Registry(double.url)).values():
            url = double.url if form.schema else ""
            small, large = (Topic.fill(kafka, form, some) for some in (few, data))
            of_few = {workers: start(kafka, small, workers, url) for workers in (1, 2)}
            runs = []
            for number, workers in enumerate([1] * options.rounds + [2], 1):
                run = start(kafka, large, workers, url)
                name = f"{form.name} {number}" if workers == 1 else f"{form.name}, 2 workers"
                print(line(run, of_few[workers], name), flush=True)
                runs.append(run)
            summary = medians(runs[:-1])
            print(line(summary, of_few[1], f"{form.name} median"), flush=True)
            results[form.name] = {"runs": runs, "few": of_few[1], "few_of_2": of_few[2], "median": summary}
            for topic in (small, large):
                topic.delete(kafka)
    for name, found in results.items():
        seconds, weight = found["median"].until_first_s, customer_bytes(found["median"], found["few"])
        print(
            f"{name}: {seconds:.1f} s until the first rating ({_verdict(seconds, TARGET_SECONDS)}), "
            f"{weight:.0f} bytes a customer ({_verdict(weight, TARGET_BYTES)})"
        )
    return results


def start(kafka: Kafka, topic: Topic, workers: int, registry: str) -> Run:
    """Start the job with as many threads, and end it; `registry` may be empty.

    Raises:
        RuntimeError: the rating did not come; the message has the end of the job's log.
        WrongOutput: something else came.
    """
    name = f"start-{uuid.uuid4().hex[:8]}"
    outputs = Outputs.create(kafka, name)
    env = {**environment(kafka, name, outputs, topic.ratings, topic.customers), "SCHEMA_REGISTRY_URL": registry}
    with running(kafka, project(workers=workers), env) as job:
        await_count(kafka, outputs.enriched, 1, job)
        cpu = cpu_seconds(job.pids)
        time.sleep(SETTLE_SECONDS)
        resident, peak = resident_bytes(*job.pids), peak_megabytes(job.pids)
    found = [(orjson.loads(one.value() or b""), one.timestamp()[1]) for one in read(kafka.bootstrap, outputs.enriched)]
    dead_letters = [one.value() for one in read(kafka.bootstrap, outputs.dead_letters)]
    outputs.delete(kafka)
    if [row for row, _ in found] != [topic.expected()] or dead_letters:
        raise WrongOutput(f"{found}, dead letters: {dead_letters[:3]}\nexpected: {topic.expected()}")
    return Run(topic.form.name, workers, topic.data.customers, found[0][1] / 1000 - job.started, cpu, resident, peak)


def customer_bytes(run: Run, few: Run) -> float:
    """What a customer adds to the resident memory."""
    return (run.rss_bytes - few.rss_bytes) / (run.customers - few.customers)


def line(run: Run, few: Run, name: str) -> str:
    """One row of the table."""
    return (
        f"{name:28}{run.until_first_s:15.1f}{run.cpu_s:18.1f}{run.rss_bytes / 2**20:10,.0f}{run.peak_mib:10,.0f}"
        f"{customer_bytes(run, few):16.0f}"
    )


def resident_bytes(pid: int) -> int:
    """What a process has in memory now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _verdict(value: float, target: float) -> str:
    return f"target <= {target:.0f}: {'met' if value <= target else 'MISSED'}"
