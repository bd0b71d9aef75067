"""What the statistics branch costs the main job, which drains a backlog with it and without."""

from argparse import Namespace
from dataclasses import replace
from typing import Any

from benchmarks.harness import report
from benchmarks.harness.contestants import project
from benchmarks.harness.data import Data
from benchmarks.harness.drained import drained


def compare(options: Namespace) -> dict[str, Any]:
    """Let the job drain the same backlog with and without the branch in turn; print every run and the ratios."""
    without = replace(project(options.processes), name="without")
    counting = replace(without, name="with", env={"STATISTICS_TOPIC": "statistics"})
    data = Data(options.seed, options.ratings, options.customers)
    runs, summary = drained(data, (counting, without), options.rounds, warm_up=without)
    print(report.ratios(runs, counting.name, without.name))
    return {"runs": runs, "medians": summary}
