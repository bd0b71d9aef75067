"""All that the page knows: what came from the topics, in memory that does not grow."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from messages.dead_letter import DeadLetter
from records.alert import FIRST_RULE
from records.enriched import EnrichedRating
from records.read_alert import Alert
from web.page.choice import Group, Values
from web.page.slots import Slot, Slots

RECENT = 20_000
"""Ratings that are kept one by one."""

_WAITING_ALERTS = 10_000
_MOST_RULES = 64
"""That are shown of a rating."""
_KEPT_ALERTS = 500
_KEPT_LETTERS = 50
_MOST_REASONS = 50
_RATE_SECONDS = 10
_DELAYS = 1000

Origin = tuple[int, int]
"""Partition and offset of a rating on its topic."""


@dataclass
class Seen:
    """A rating that came out."""

    rating: EnrichedRating
    group: Group
    rules: list[str] = field(default_factory=list)
    """The rules whose alerts came out."""


class Reason(NamedTuple):
    """Why a record became a dead letter."""

    step: str
    error: str


class Model:
    """Takes what comes from the topics; the newest of it is kept one by one, and the rest in counts.

    A message that comes twice counts once while its rating is among the recent ones.

    Args:
        minutes: that the counts cover.
        clock: gives epoch seconds.
    """

    def __init__(self, minutes: int, clock: Callable[[], float] = time.time) -> None:
        self.clock, self.minutes = clock, minutes
        self.values, self.slots = Values(), Slots(minutes)
        self.recent: OrderedDict[Origin, Seen] = OrderedDict()  # a dict is slow to drop its oldest
        """The last ratings, the newest last."""
        self.alerted: deque[Seen] = deque(maxlen=_KEPT_ALERTS)
        """The last ratings with an alert, the newest last."""
        self.letters: deque[DeadLetter] = deque(maxlen=_KEPT_LETTERS)
        """The last dead letters, the newest last."""
        self.reasons = Counter[Reason]()
        """Dead letters that were read, by reason."""
        self.delays: deque[float] = deque(maxlen=_DELAYS)
        """Seconds from a rating to its output, of the last ratings."""
        self.total = 0
        """Ratings that came out since the page began to read."""
        self.unreadable = 0
        """Messages that are not what their topic should hold."""
        self.version = 0
        """Another number whenever something came."""
        self._waiting: OrderedDict[Origin, list[str]] = OrderedDict()
        """The rules of alerts whose rating has not come."""
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=600)

    def take_ratings(self, ratings: Iterable[tuple[EnrichedRating, int]]) -> None:
        """Take enriched ratings, each with the timestamp of its message (ms)."""
        now, before = self.clock(), self.total
        for rating, written in ratings:
            origin = rating.source_partition, rating.source_offset
            known = self.recent.get(origin)
            if known is not None and known.rating.rating_ts == rating.rating_ts:
                continue
            seen = Seen(rating, self.values.group(rating))
            self.recent.pop(origin, None)  # the newest is last
            self.recent[origin] = seen
            self.total += 1
            if written >= rating.rating_ts > 0:
                self.delays.append((written - rating.rating_ts) / 1000)
            slot = self.slots.at(rating.rating_ts, now)
            if slot is not None:
                stars = rating.stars
                slot.ratings[seen.group, stars if stars is not None and 1 <= stars <= 5 else None] += 1
            for rule in self._waiting.pop(origin, ()):
                self._join(seen, rule, slot)
        while len(self.recent) > RECENT:
            self.recent.popitem(last=False)
        self._arrivals.append((now, self.total - before))
        self.version += 1

    def take_alert(self, alert: Alert) -> None:
        """Take an alert. It joins its rating, before or after that has come."""
        if alert.source_partition is None or alert.source_offset is None:
            self.unreadable += 1  # an alert of another program, without a place
            return
        origin, rule = (alert.source_partition, alert.source_offset), alert.rule or FIRST_RULE
        seen = self.recent.get(origin)
        if seen is None:
            _add(self._waiting.setdefault(origin, []), rule)
            if len(self._waiting) > _WAITING_ALERTS:
                self._waiting.popitem(last=False)
        else:
            self._join(seen, rule, self.slots.at(seen.rating.rating_ts, self.clock()))
        self.version += 1

    def take_letter(self, letter: DeadLetter) -> None:
        """Take a dead letter."""
        reason = Reason(letter.step, letter.error)
        self.reasons[reason if reason in self.reasons or len(self.reasons) < _MOST_REASONS else _OTHERS] += 1
        self.letters.append(letter)
        self.version += 1

    def rate(self) -> float:
        """Ratings a second that came out lately."""
        now = self.clock()
        return sum(count for at, count in self._arrivals if at > now - _RATE_SECONDS) / _RATE_SECONDS

    def _join(self, seen: Seen, rule: str, slot: Slot | None) -> None:
        is_first = not seen.rules
        if not _add(seen.rules, rule):
            return
        if is_first:
            self.alerted.append(seen)
        if slot is not None:
            slot.alerts[seen.group] += 1


def _add(rules: list[str], rule: str) -> bool:
    """Add a rule that a rating met; False if it is there already, or there are too many."""
    if is_new := rule not in rules and len(rules) < _MOST_RULES:
        rules.append(rule)
    return is_new


_OTHERS = Reason("others", "")
