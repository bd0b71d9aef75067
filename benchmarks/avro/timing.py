"""CPU time of work in this process."""

import time
from collections.abc import Callable, Mapping
from statistics import median

from benchmarks.harness.memory import keep_memory


def medians(ways: Mapping[str, Callable[[], object]], records: int, at_least: int, rounds: int) -> dict[str, float]:
    """Let the ways take turns; of each, the median CPU us a record, all threads.

    Args:
        ways: each works on `records` records when it is called.
        records: how many.
        at_least: so many records are worked on by each way in a round.
        rounds: how many; one more, which comes first, counts for no one.
    """
    keep_memory()
    calls = -(-at_least // records)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(calls):
                way()
            took[name].append((time.process_time() - began) / (calls * records) * 1e6)
    return {name: median(times[1:]) for name, times in took.items()}
