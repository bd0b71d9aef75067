"""The comparison of sinks: each contestant, in a process of its own, indexes the same documents."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from elasticsearch import Elasticsearch as Client

from benchmarks.elasticsearch import index
from benchmarks.elasticsearch.work import INDEX, Work
from benchmarks.harness import quix
from benchmarks.harness.data import Data, document
from benchmarks.harness.results import in_turn
from benchmarks.harness.work import Writer
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
    writers = (
        Writer("project", "benchmarks.elasticsearch.project"),
        Writer("parallel_bulk", "benchmarks.elasticsearch.parallel_bulk"),
        Writer("parallel_bulk, orjson", "benchmarks.elasticsearch.parallel_bulk", options=("orjson",)),
        Writer("Quix", "benchmarks.elasticsearch.quix", python=quix.python("quix")),
    )
    with Client(server.url, request_timeout=60) as client:
        for template in templates(Search(index=INDEX)):
            put(client, template)
        print(f"indexing {data.ratings:,} documents\n{HEADER}", flush=True)
        ways = {writer.name: partial(measure, server.url, client, writer, data) for writer in writers}
        runs, summary = in_turn(ways, rounds, line, WARM_UP_ROUNDS)
    print(ratios(list(summary.values())))
    return {"runs": runs, "medians": summary}


def measure(url: str, client: Client, writer: Writer, data: Data) -> Run:
    """Let one index into a fresh index, verify what is in it then, and delete it.

    Raises:
        RuntimeError: it failed; the message has what it printed.
        WrongOutput: what is in the index is not right.
    """
    work = Work(data, url, f"{INDEX}-00{uuid.uuid4().hex}")
    index.make_fresh(client, work.index)
    took = writer.run(work)
    index.verify(client, work.index, data.ratings, lambda number: document(work.rating(number)))
    client.indices.delete(index=work.index)
    return Run(
        contestant=writer.name,
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
