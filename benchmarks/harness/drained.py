"""Contestants that drain the same backlog of a real Kafka in turn, and what each run took."""

from collections.abc import Sequence
from functools import partial

from benchmarks.harness import report
from benchmarks.harness.backlog import fill
from benchmarks.harness.contestants import Contestant
from benchmarks.harness.data import Data
from benchmarks.harness.measure import Run, measure
from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verifier


def drained(
    data: Data, contestants: Sequence[Contestant], rounds: int, warm_up: Contestant
) -> tuple[list[Run], dict[str, Run]]:
    """Let the contestants take turns; print every run, and return the runs and the medians by name.

    Args:
        data: of the backlog.
        contestants: in the order of their turns.
        rounds: of all.
        warm_up: has the first run of all, which meets a broker that has served nobody yet: it counts for no one.
    """
    with broker() as kafka:
        print(f"writing {data.customers:,} customers and {data.ratings:,} ratings", flush=True)
        verifier = Verifier(data, fill(kafka, data))
        print(report.HEADER)
        print(report.line(measure(kafka, warm_up, data.ratings, verifier), "(warm-up)"), flush=True)
        ways = {one.name: partial(measure, kafka, one, data.ratings, verifier) for one in contestants}
        return in_turn(ways, rounds, report.line)
