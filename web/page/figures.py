"""What is shown for a choice, computed from the model: plain numbers and lists."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from statistics import median
from typing import NamedTuple

from web.page.choice import EVERYTHING, Group
from web.page.model import Model, Seen
from web.page.slots import POOR_STARS

FEED = 50
"""Ratings in the live feed."""

_RATERS = 8
_UNHAPPY = 30
_STARS = range(1, 6)


class Region(NamedTuple):
    """The ratings from a region."""

    name: str
    ratings: int
    """Those with stars."""
    poor: int

    @property
    def share(self) -> float:
        """The share of poor ratings, 0 to 1."""
        return self.poor / self.ratings if self.ratings else 0.0


class Rater(NamedTuple):
    """A customer among the recent ratings."""

    user_id: int
    name: str | None
    club_status: str | None
    ratings: int


class Unhappy(NamedTuple):
    """A customer with alerts."""

    last: Seen
    alerts: int
    """Among the last alerts that are kept."""


@dataclass(frozen=True)
class Figures:
    """What is shown for a choice. The lists of the charts have a value for each slot of time."""

    slots: list[int]
    """The beginning of each slot, epoch milliseconds."""
    ratings: int
    """Ratings in all slots; likewise the next three."""
    poor: int
    alerts: int
    median: float | None
    by_channel: dict[str, list[int]]
    medians: dict[str, list[float | None]]
    """The median of stars by club status; None where there are none."""
    regions: list[Region]
    feed: list[Seen]
    """The newest first; likewise ``unhappy``."""
    unhappy: list[Unhappy]
    raters: list[Rater]
    """Among the recent ratings, the most frequent first."""


def figures(model: Model, choice: Group) -> Figures:
    """Compute what is shown for a choice."""
    slots: list[int] = []
    by_channel: dict[str, Counter[int]] = defaultdict(Counter)
    stars_by_status: dict[str, dict[int, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    stars_by_region: dict[str, Counter[int]] = defaultdict(Counter)
    total, alerts, stars_of_all = 0, 0, Counter[int]()
    for index, (begin, slot) in enumerate(model.slots.upto(model.clock())):
        slots.append(begin)
        alerts += sum(count for group, count in slot.alerts.items() if choice.takes(group))
        for (group, stars), count in slot.ratings.items():
            if not choice.takes(group):
                continue
            total += count
            by_channel[group.channel or ""][index] += count
            if stars is not None:
                stars_of_all[stars] += count
                stars_by_status[group.club_status or ""][index][stars] += count
                stars_by_region[group.region or ""][stars] += count
    every = range(len(slots))
    return Figures(
        slots,
        total,
        _poor(stars_of_all),
        alerts,
        median_of(stars_of_all),
        {name: [counts[index] for index in every] for name, counts in sorted(by_channel.items())},
        {name: [median_of(at[index]) for index in every] for name, at in sorted(stars_by_status.items())},
        sorted(
            (Region(name, counts.total(), _poor(counts)) for name, counts in stars_by_region.items()),
            key=lambda region: (-region.share, region.name),
        ),
        list(islice((seen for seen in reversed(model.recent.values()) if choice.takes(seen.group)), FEED)),
        _unhappy([seen for seen in reversed(model.alerted) if choice.takes(seen.group)]),
        _raters([seen for seen in model.recent.values() if choice == EVERYTHING or choice.takes(seen.group)]),
    )


def median_of(stars: Counter[int]) -> float | None:
    """The median of counted stars; halfway between the two in the middle if they differ."""
    count = stars.total()
    if not count:
        return None
    at = (count - 1) // 2, count // 2
    found, below = [], 0
    for value in _STARS:
        reached = below + stars[value]
        found += [value for place in at if below <= place < reached]
        below = reached
    return median(found)


def _poor(stars: Counter[int]) -> int:
    return sum(count for value, count in stars.items() if value <= POOR_STARS)


def _unhappy(alerted: Sequence[Seen]) -> list[Unhappy]:
    counts = Counter(seen.rating.user_id for seen in alerted)
    last: dict[int, Seen] = {}
    for seen in alerted:
        last.setdefault(seen.rating.user_id, seen)
    return [Unhappy(seen, counts[user_id]) for user_id, seen in islice(last.items(), _UNHAPPY)]


def _raters(recent: Sequence[Seen]) -> list[Rater]:
    counts = Counter([seen.rating.user_id for seen in recent])
    top = dict(nsmallest(_RATERS, counts.items(), key=lambda item: (-item[1], item[0])))
    newest = {seen.rating.user_id: seen.rating for seen in recent if seen.rating.user_id in top}
    return [
        Rater(user_id, newest[user_id].full_name, newest[user_id].club_status, count) for user_id, count in top.items()
    ]
