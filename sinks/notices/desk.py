"""Decides which message is due: no I/O and no clock of its own."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

from .notice import Entry

_MINUTE = 60.0
_MARGIN = 0.05  # seconds: the clock of those who are told is not ours
_MOST_IN_DIGEST = 1000
_MOST_KEYS = 1_000_000

Verdict = Literal["taken", "repeated", "age"]


@dataclass(frozen=True)
class Limits:
    """How often people are told. Times are in seconds."""

    cooldown: float = 3600.0
    """Between two messages about the same person."""
    per_minute: int = 10
    """Messages of all kinds in any minute."""
    max_age: float = 3600.0
    """An entry that is older when it comes is not told."""
    most_waiting: int = 10_000
    """Entries that may wait; above it the flow is held back."""

    @property
    def gather(self) -> float:
        """How long the first entry of a digest waits for others."""
        return min(self.cooldown, _MINUTE)


class Draft(NamedTuple):
    """A message that is due."""

    to: str
    entries: list[Entry]
    is_digest: bool

    @property
    def about(self) -> str | None:
        """Whom it is about; None: it is a digest."""
        return None if self.is_digest else self.entries[0].about


class _Waiting(NamedTuple):
    entry: Entry
    since: float
    old_at: float
    """When it has reached the greatest age: from then on only a digest tells it."""


class Desk:
    """The entries that wait, the keys that are known, and the messages that count for the limits.

    A message counts from when it is due: it holds a slot of the minute, and its person cools down. Once it is told, it
    counts by the time of its answer; if it is refused, it no longer counts. So any number may be under way.

    An entry is told alone if its person is not cooling down and the minute has room; otherwise it waits for the digest
    of its channel, which is due once its first entry has waited for ``Limits.gather``. A digest goes first, so a flood
    of messages cannot keep it from being told. An entry that was young when it came is always told.

    ``now`` is in seconds of a clock that only runs forward; ``wall`` in epoch seconds, and may jump.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: OrderedDict[str, None] = OrderedDict()
        self._fresh: deque[_Waiting] = deque()
        self._rest: dict[str, deque[_Waiting]] = {}
        self._under_way: Counter[str | None] = Counter()  # whom the messages are about
        self._sent: deque[float] = deque(maxlen=limits.per_minute)
        self._cooling: OrderedDict[str, float] = OrderedDict()
        self.waiting = 0
        """Entries that no message tells yet."""

    def know(self, keys: Iterable[str]) -> None:
        """Remember keys that were told, or are about to be; the oldest of a million are forgotten."""
        self._known.update(dict.fromkeys(keys))
        while len(self._known) > _MOST_KEYS:
            self._known.popitem(last=False)

    def take(self, entry: Entry, now: float, wall: float) -> Verdict:
        """Take an entry, unless its key is known or it is too old."""
        if entry.key in self._known:
            return "repeated"
        age = wall - entry.at / 1000
        if age > self._limits.max_age:
            return "age"
        self.keep(entry, now, wall)
        return "taken"

    def keep(self, entry: Entry, now: float, wall: float) -> None:
        """Take an entry that was taken before, however old it is by now."""
        self.know([entry.key])
        self.waiting += 1
        age = wall - entry.at / 1000
        self._fresh.append(_Waiting(entry, now, now + self._limits.max_age - max(age, 0.0)))

    def remember(self, about: str | None, at: float) -> None:
        """Count a message of an earlier run, which was answered at this time of the clock of ``now``."""
        self._sent.append(max(at, self._sent[-1]) if self._sent else at)
        if about is not None and self._limits.cooldown:
            self._cooling[about] = max(at, self._cooling.pop(about, at))

    def reserve(self, about: str | None) -> None:
        """Count a message as under way. A draft is counted by ``next``; a message in doubt is counted by this."""
        self._under_way[about] += 1

    def told(self, about: str | None, now: float) -> None:
        """Count a message that was under way as answered now."""
        self._release(about)
        self.remember(about, now)

    def refused(self, about: str | None, keys: Iterable[str]) -> None:
        """Forget a message that was under way: it no longer counts, and its keys may come again."""
        self._release(about)
        for key in keys:
            self._known.pop(key, None)

    def _release(self, about: str | None) -> None:
        self._under_way[about] -= 1
        if not self._under_way[about]:
            del self._under_way[about]

    def next(self, now: float) -> Draft | float:
        """The message that is due: it is under way from now on, and its entries no longer wait.

        Without one, the seconds until one may be due; infinite until an entry comes or a message ends.
        """
        self._forget_cooled(now)
        until = self._next_slot(now)
        if until > 0:
            while self._fresh:
                self._put_aside(self._fresh.popleft())
            return until if self._rest else inf
        for to, rest in self._rest.items():
            if now >= rest[0].since + self._limits.gather:
                return self._digest(to, rest)
        while self._fresh:
            waiting = self._fresh.popleft()
            if self._is_cooling(waiting.entry.about) or now > waiting.old_at:
                self._put_aside(waiting)
            else:
                return self._draft(waiting.entry.to, [waiting.entry], is_digest=False)
        return min((max(rest[0].since + self._limits.gather - now, 0.0) for rest in self._rest.values()), default=inf)

    def _next_slot(self, now: float) -> float:
        """The seconds until the minute has room; infinite until a message ends."""
        excess = self._under_way.total() + len(self._sent) - self._limits.per_minute
        if excess < 0:
            return 0.0
        if excess >= len(self._sent):
            return inf
        return max(self._sent[excess] + _MINUTE + _MARGIN - now, 0.0)

    def _is_cooling(self, about: str) -> bool:
        return about in self._cooling or (self._limits.cooldown > 0 and about in self._under_way)

    def _draft(self, to: str, entries: list[Entry], *, is_digest: bool) -> Draft:
        draft = Draft(to, entries, is_digest)
        self.waiting -= len(entries)
        self.reserve(draft.about)
        return draft

    def _put_aside(self, waiting: _Waiting) -> None:
        self._rest.setdefault(waiting.entry.to, deque()).append(waiting)

    def _digest(self, to: str, rest: deque[_Waiting]) -> Draft:
        entries = [rest.popleft().entry for _ in range(min(len(rest), _MOST_IN_DIGEST))]
        if not rest:
            del self._rest[to]
        return self._draft(to, sorted(entries, key=lambda entry: (entry.rank, entry.at)), is_digest=True)

    def _forget_cooled(self, now: float) -> None:
        # The order is that of the messages, whose times only grow.
        while self._cooling:
            about, at = next(iter(self._cooling.items()))
            if now < at + self._limits.cooldown + _MARGIN:
                break
            del self._cooling[about]
