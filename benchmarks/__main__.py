"""Run the benchmark: `python -m benchmarks --help`."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.backlog import fill
from benchmarks.contestants import LOOP, Contestant, project
from benchmarks.data import Data
from benchmarks.measure import Run, measure
from benchmarks.verify import Verifier
from tests.servers.java import ROOT
from tests.servers.kafka import Kafka, unavailable

RESULTS = ROOT / ".bench"


def compare(data: Data, rounds: int, ours: Contestant, rival: Contestant) -> list[Run]:
    """Let both drain the same backlog in turn, `rounds` times; print every run."""
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder, Kafka(Path(folder), full_speed=True) as kafka:
        print(f"writing {data.customers:,} customers and {data.ratings:,} ratings", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        print(report.HEADER)
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, rival, data.ratings, verifier), "(warm-up)"), flush=True)
        runs = []
        for number in range(1, rounds + 1):
            for contestant in (ours, rival):
                run = measure(kafka, contestant, data.ratings, verifier)
                print(report.line(run, f"{contestant.name} {number}"), flush=True)
                runs.append(run)
        return runs


def main() -> str | None:
    """Measure, print the table, write it to a file; the reason why not ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="the project and a plain loop")
    parser.add_argument("--ratings", type=int, default=1_000_000, help="the backlog (%(default)s)")
    parser.add_argument("--customers", type=int, default=100_000, help="all known (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="of the project, as a cluster (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the data (%(default)s)")
    options = parser.parse_args()
    if reason := unavailable():
        return reason
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    RESULTS.mkdir(exist_ok=True)
    ours = project(options.processes)
    runs = compare(Data(options.seed, options.ratings, options.customers), options.rounds, ours, LOOP)
    summary = {
        contestant.name: report.medians([run for run in runs if run.contestant == contestant.name])
        for contestant in (ours, LOOP)
    }
    for name, run in summary.items():
        print(report.line(run, f"{name} median"))
    print(report.ratios(summary[ours.name], summary[LOOP.name]))
    print(f"written to {report.write(RESULTS, vars(options), runs, summary)}")
    return None


if __name__ == "__main__":
    sys.exit(main())
