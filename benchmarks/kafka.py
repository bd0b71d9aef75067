"""The Kafka comparison: the project and a plain loop drain the same backlog."""

from argparse import Namespace
from typing import Any

from benchmarks.harness import report
from benchmarks.harness.contestants import LOOP, project
from benchmarks.harness.data import Data
from benchmarks.harness.drained import drained


def compare(options: Namespace) -> dict[str, Any]:
    """Let both drain the same backlog in turn; print every run, and return them with the medians of each."""
    ours = project(options.processes)
    data = Data(options.seed, options.ratings, options.customers)
    runs, summary = drained(data, (ours, LOOP), options.rounds, warm_up=LOOP)
    print(report.ratios(runs, ours.name, LOOP.name))
    return {"runs": runs, "medians": summary}
