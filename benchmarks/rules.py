"""A compiled rule beside the predicate that somebody would write by hand: nanoseconds a rating."""

import random
import re
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from dataflows.rules import load, selection
from records.customer import Customer
from records.enriched import Match
from records.rating import Rating

_BATCH, _TIMES = 500, 400

Select = Callable[[Sequence[Match]], Sequence[Match]]


@dataclass(frozen=True)
class Result:
    """The cost of a rule."""

    rule: str
    by_hand: float
    """ns a rating, the median of all rounds."""
    compiled: float
    times: float


def _unhappy(match: Match, test: re.Pattern[str] = re.compile("test", re.IGNORECASE)) -> bool:
    stars, status = match.rating.stars, match.customer.club_status
    return (
        stars is not None
        and stars <= 2
        and status is not None
        and status.casefold() == "platinum"
        and not test.search(match.rating.channel or "")
    )


def _late(match: Match) -> bool:
    message, route = match.rating.message, match.rating.route_id
    return message is not None and "late" in message.lower() and route is not None and 1000 <= route <= 2000


def _nobody(match: Match) -> bool:
    stars = match.rating.stars
    return match.customer.full_name is None and stars in {1, 2}


RULES: dict[str, tuple[str, Callable[[Match], bool]]] = {
    "default": (load(None, "alerts")[0].where, _unhappy),
    "late": ("message ILIKE '%late%' AND route_id BETWEEN 1000 AND 2000", _late),
    "nobody": ("full_name IS NULL AND stars IN (1, 2)", _nobody),
}


def compare(options: Namespace) -> dict[str, Any]:
    """Measure each rule in turns; print and return the results."""
    matches = _matches(options.seed)
    print(f"{'rule':12}{'by hand, ns':>14}{'compiled, ns':>14}{'times':>8}")
    return {"rules": [asdict(_measure(name, matches, options.rounds)) for name in RULES]}


def _measure(name: str, matches: Sequence[Match], rounds: int) -> Result:
    where, predicate = RULES[name]
    ways: list[Select] = [lambda batch: list(filter(predicate, batch)), selection(where)]
    if ways[0](matches) != ways[1](matches):
        raise AssertionError(f"{name}: the two select different ratings")
    spent: list[list[float]] = [[], []]
    for _ in range(rounds * 5):
        for way, times in zip(ways, spent, strict=True):
            start = time.perf_counter()
            for _ in range(_TIMES):
                way(matches)
            times.append((time.perf_counter() - start) / _TIMES / len(matches) * 1e9)
    by_hand, compiled = map(median, spent)
    result = Result(name, by_hand, compiled, compiled / by_hand)
    print(f"{name:12}{by_hand:14.1f}{compiled:14.1f}{result.times:8.2f}", flush=True)
    return result


def _matches(seed: int) -> list[Match]:
    """Ratings as the generator makes them: one to four stars, a fifth of the customers platinum."""
    pick = random.Random(seed).choice
    channels, messages = ["web", "ios", "ios-test"], ["meh", "Late again!"]
    statuses = ["bronze", "silver", "gold", "platinum", None]
    return [
        Match(
            Rating(at, at, pick([1, 2, 3, 4]), pick(range(3000)), 1, pick(channels), pick(messages)),
            Customer("a", "b", pick(["a b", None]), "c", pick(statuses), None),
        )
        for at in range(_BATCH)
    ]
