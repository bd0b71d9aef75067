"""The Kafka comparison: the project and a plain loop drain the same backlog."""

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.backlog import fill
from benchmarks.contestants import LOOP, project
from benchmarks.data import Data
from benchmarks.measure import measure
from benchmarks.results import RESULTS, medians
from benchmarks.verify import Verifier
from servers.kafka import Kafka


def compare(options: Namespace) -> dict[str, Any]:
    """Let both drain the same backlog in turn; print every run, and return them with the medians of each."""
    data = Data(options.seed, options.ratings, options.customers)
    ours = project(options.processes)
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder, Kafka(Path(folder), full_speed=True) as kafka:
        print(f"writing {data.customers:,} customers and {data.ratings:,} ratings", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        print(report.HEADER)
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, LOOP, data.ratings, verifier), "(warm-up)"), flush=True)
        runs = []
        for number in range(1, options.rounds + 1):
            for contestant in (ours, LOOP):
                run = measure(kafka, contestant, data.ratings, verifier)
                print(report.line(run, f"{contestant.name} {number}"), flush=True)
                runs.append(run)
    summary = {name: medians([run for run in runs if run.contestant == name]) for name in (ours.name, LOOP.name)}
    for name, run in summary.items():
        print(report.line(run, f"{name} median"))
    print(report.ratios(summary[ours.name], summary[LOOP.name]))
    return {"runs": runs, "medians": summary}
