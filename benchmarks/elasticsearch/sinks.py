"""The comparison of sinks: each contestant, in a process of its own, indexes the same documents."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch as Client

from benchmarks.data import Data, document
from benchmarks.elasticsearch import environment, index
from benchmarks.elasticsearch.contestant import Contestant
from benchmarks.elasticsearch.work import INDEX, Work
from benchmarks.results import medians
from dataflows.search import templates
from servers.elasticsearch import Elasticsearch
from settings import Search
from sinks.elasticsearch.client import put

WARM_UP_ROUNDS = 2
"""They count for no one: until then the server's code is not compiled, and it serves half as fast."""
HEADER = f"{'':32}{'documents/s':>12}{'CPU us/document':>18}"


@dataclass(frozen=True)
class Run:
    """What one run took: from the first document that was handed over until the last was acknowledged."""

    contestant: str
    documents: int
    seconds: float
    documents_per_s: float
    cpu_us_per_document: float
    """CPU of the contestant's process, all its threads."""


def compare(server: Elasticsearch, data: Data, rounds: int) -> dict[str, Any]:
    """Let all index into fresh indices in turn; print every run, and return them with the medians of each."""
    contestants = (
        Contestant("project", "benchmarks.elasticsearch.project"),
        Contestant("parallel_bulk", "benchmarks.elasticsearch.parallel_bulk"),
        Contestant("parallel_bulk, orjson", "benchmarks.elasticsearch.parallel_bulk", options=("orjson",)),
        Contestant("Quix", "benchmarks.elasticsearch.quix", python=environment.python()),
    )
    runs = []
    with Client(server.url, request_timeout=60) as client:
        for template in templates(Search(index=INDEX)):
            put(client, template)
        print(f"indexing {data.ratings:,} documents\n{HEADER}", flush=True)
        for number in range(1 - WARM_UP_ROUNDS, rounds + 1):
            for contestant in contestants:
                run = measure(server.url, client, contestant, data)
                print(line(run, f"{contestant.name} {number if number > 0 else '(warm-up)'}"), flush=True)
                if number > 0:
                    runs.append(run)
    summary = {
        contestant.name: medians([run for run in runs if run.contestant == contestant.name])
        for contestant in contestants
    }
    for name, run in summary.items():
        print(line(run, f"{name} median"))
    print(ratios(list(summary.values())))
    return {"runs": runs, "medians": summary}


def measure(url: str, client: Client, contestant: Contestant, data: Data) -> Run:
    """Let one index into a fresh index, verify what is in it then, and delete it.

    Raises:
        RuntimeError: it failed; the message has what it printed.
        WrongOutput: what is in the index is not right.
    """
    work = Work(url, f"{INDEX}-00{uuid.uuid4().hex}", data)
    index.make_fresh(client, work.index)
    took = contestant.run(work)
    index.verify(client, work.index, data.ratings, lambda number: document(work.rating(number)))
    client.indices.delete(index=work.index)
    return Run(
        contestant=contestant.name,
        documents=data.ratings,
        seconds=took["seconds"],
        documents_per_s=data.ratings / took["seconds"],
        cpu_us_per_document=took["cpu_seconds"] / data.ratings * 1e6,
    )


def line(run: Run, name: str) -> str:
    """One row of the table."""
    return f"{name:32}{run.documents_per_s:12,.0f}{run.cpu_us_per_document:18.2f}"


def ratios(summary: Sequence[Run]) -> str:
    """The closing line: the first one's over each of the others'."""
    ours, *rivals = summary
    rates = (f"{ours.documents_per_s / run.documents_per_s:.1f} x {run.contestant}" for run in rivals)
    costs = (f"{ours.cpu_us_per_document / run.cpu_us_per_document:.2f} x {run.contestant}" for run in rivals)
    return f"documents/s {', '.join(rates)}; client CPU a document {', '.join(costs)}"
