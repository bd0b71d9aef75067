"""What the search branch costs the main job, which drains a backlog with Elasticsearch and without."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from elasticsearch import Elasticsearch as Client

from benchmarks.elasticsearch import index
from benchmarks.harness.backlog import fill
from benchmarks.harness.contestants import Contestant, project
from benchmarks.harness.data import Data, document
from benchmarks.harness.measure import Run, measure
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verifier, WrongOutput
from servers.elasticsearch import Elasticsearch
from servers.job import Job

HEADER = f"{'':20}{'seconds':>12}{'CPU seconds':>14}{'idle CPU':>12}"
RATINGS, ALERTS = INDICES = ("ratings-enriched", "unhappy-platinum-customers")
"""The job's defaults."""


def compare(server: Elasticsearch, data: Data, rounds: int) -> dict[str, Any]:
    """Let the job drain with and without the branch in turn; print every run and what a document costs."""
    without = replace(project(), name="without")
    runs: list[Run] = []
    with (
        broker() as kafka,
        Client(server.url, request_timeout=60) as client,
    ):
        print(f"draining {data.ratings:,} ratings with the search branch and without\n{HEADER}", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        # It counts for no one, and tells how many alerts there are.
        alerts = measure(kafka, without, data.ratings, verifier).alerts
        documents = data.ratings + alerts
        for number in range(1, rounds + 1):
            run = measure(kafka, with_branch(server.url, client, documents), data.ratings, verifier)
            index.verify(client, RATINGS, data.ratings, lambda number: document(verifier.enriched(number)))
            if (found := index.count(client, ALERTS)) != alerts:
                raise WrongOutput(f"{found} documents in {ALERTS}, not {alerts}")
            rest = measure(kafka, without, data.ratings, verifier)
            print(f"{line(run, number)}\n{line(rest, number)}", flush=True)
            runs += run, rest
    more = [
        (run.busy_cpu_s - rest.busy_cpu_s) / documents * 1e6 for run, rest in zip(runs[::2], runs[1::2], strict=True)
    ]
    print(f"client CPU a document more {median(more):.1f} us ({documents:,} documents)")
    return {"runs": runs, "documents": documents, "cpu_us_per_document_more": median(more)}


def with_branch(url: str, client: Client, documents: int) -> Contestant:
    """The job with the branch, until it has indexed so many documents."""

    def job(folder: Path, settings: Mapping[str, str]) -> Job:
        index.make_fresh(client, *INDICES)
        return project().job(folder, settings)

    def left() -> int:
        return documents - index.indexed(client, *INDICES)

    return Contestant("with", job, {"ELASTICSEARCH_URL": url}, left)


def line(run: Run, number: int) -> str:
    """One row of the table."""
    return f"{run.contestant + ' ' + str(number):20}{run.until_settled_s:12.1f}{run.cpu_s:14.2f}{run.idle_cpu:12.1%}"
