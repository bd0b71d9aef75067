"""The Kafka comparison: the project and a plain loop drain the same backlog."""

from argparse import Namespace
from functools import partial
from typing import Any

from benchmarks.harness import report
from benchmarks.harness.backlog import fill
from benchmarks.harness.contestants import LOOP, project
from benchmarks.harness.data import Data
from benchmarks.harness.measure import measure
from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verifier


def compare(options: Namespace) -> dict[str, Any]:
    """Let both drain the same backlog in turn; print every run, and return them with the medians of each."""
    data = Data(options.seed, options.ratings, options.customers)
    ours = project(options.processes)
    with broker() as kafka:
        print(f"writing {data.customers:,} customers and {data.ratings:,} ratings", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        print(report.HEADER)
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, LOOP, data.ratings, verifier), "(warm-up)"), flush=True)
        ways = {job.name: partial(measure, kafka, job, data.ratings, verifier) for job in (ours, LOOP)}
        runs, summary = in_turn(ways, options.rounds, report.line)
    print(report.ratios(runs, ours.name, LOOP.name))
    return {"runs": runs, "medians": summary}
