"""What the statistics branch costs the main job, which drains a backlog with it and without."""

from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.harness import report
from benchmarks.harness.backlog import fill
from benchmarks.harness.contestants import project
from benchmarks.harness.data import Data
from benchmarks.harness.measure import measure
from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verifier


def compare(options: Namespace) -> dict[str, Any]:
    """Let the job drain the same backlog with and without the branch in turn; print every run and the ratios."""
    data = Data(options.seed, options.ratings, options.customers)
    without = replace(project(options.processes), name="without")
    counting = replace(without, name="with", env={"STATISTICS_TOPIC": "statistics"})
    with broker() as kafka:
        print(f"writing {data.customers:,} customers and {data.ratings:,} ratings", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        print(report.HEADER)
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, without, data.ratings, verifier), "(warm-up)"), flush=True)
        ways = {job.name: partial(measure, kafka, job, data.ratings, verifier) for job in (counting, without)}
        runs, summary = in_turn(ways, options.rounds, report.line)
    print(report.ratios(runs, counting.name, without.name))
    return {"runs": runs, "medians": summary}
