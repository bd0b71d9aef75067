"""What the statistics branch costs the main job, which drains a backlog with it and without."""

import random
import time
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from statistics import median
from typing import Any

import msgspec

from benchmarks.harness import report
from benchmarks.harness.contestants import project
from benchmarks.harness.data import Data
from benchmarks.harness.drained import drained
from records import statistic
from records.customer import Customer
from records.enriched import Match
from records.rating import Rating

_BATCH, _TIMES = 500, 2_000
"""A batch whose ratings stay in the caches of the CPU."""


def compare(options: Namespace) -> dict[str, Any]:
    """Let the job drain the same backlog with and without the branch in turn; print every run and the ratios."""
    without = replace(project(options.processes), name="without")
    counting = replace(without, name="with", env={"STATISTICS_TOPIC": "statistics"})
    data = Data(options.seed, options.ratings, options.customers)
    runs, summary = drained(data, (counting, without), options.rounds, warm_up=without)
    print(report.ratios(runs, counting.name, without.name))
    least = _least(options.seed)
    share = least * summary[without.name].ratings_per_s / options.processes
    print(f"the least that Python needs to count a rating: {least * 1e9:.0f} ns, {share:.1%} of the job's time for it")
    return {"runs": runs, "medians": summary, "least_ns": least * 1e9}


def _least(seed: int) -> float:
    """The seconds that a rating takes if nothing is done but to read its fields, and to count them in C."""
    pick = random.Random(seed).choice
    segments = [
        (status, region) for status in ("bronze", "silver", "gold", "platinum") for region in ("north", "south")
    ]
    customers = [Customer("a", "b", "a b", "c", *pick(segments)) for _ in range(_BATCH)]
    ratings = [
        Rating(at, at, pick(range(1, 6)), 1, 1, pick(["web", "ios", "android"]), "meh", at) for at in range(_BATCH)
    ]
    encoded = msgspec.json.encode(ratings)
    return median(_seconds(_matches(encoded, customers)) for _ in range(_TIMES)) / _BATCH


def _matches(ratings: bytes, customers: list[Customer]) -> list[Match]:
    """Matches with texts of their own, as a flow reads them: none has its hash yet."""
    return list(map(Match, msgspec.json.decode(ratings, type=list[Rating]), customers))


def _seconds(matches: list[Match]) -> float:
    began = time.perf_counter()
    Counter(statistic.keys(matches))
    times = statistic.times(matches)
    min(times)
    max(times)
    return time.perf_counter() - began
