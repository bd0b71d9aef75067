"""Names of search indices that have a record's date in them, and the index templates that match just these names."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

END_OF_TIME = 253_402_300_800_000
"""The begin of the year 10000, in epoch milliseconds."""

LONGEST = 200
"""Characters of a name: a rollover or a data stream adds to it, and Elasticsearch takes 255 bytes."""

UNKNOWN = "unknown"

PRIORITIES = 4
"""Priorities of our templates: as many equally specific templates may match the same names."""

_DIGITS = "0123456789"
_CHOICES = {
    "%Y": ("123456789", _DIGITS, _DIGITS, _DIGITS),
    "%m": ("01", _DIGITS),
    "%d": ("0123", _DIGITS),
    "%H": ("012", _DIGITS),
}
"""The characters that may stand at each place of a directive."""


class IndexNames(NamedTuple):
    """The index of a record: a name, or a pattern of the record's own date."""

    pattern: str
    """With ``%Y``, ``%m``, ``%d`` or ``%H`` for the year, month, day or hour (UTC) of the rating's Kafka timestamp: by
    the record and never the clock, so that a rating that is read again goes where it went before."""

    def of(self, timestamp: int) -> str:
        """The index for a timestamp in epoch milliseconds.

        ``unknown`` stands for the date of one that is none: Kafka's -1, and microseconds, which are beyond year 9999.
        """
        return self.pattern if "%" not in self.pattern else _of_hour(self.pattern, timestamp // 3_600_000)

    @property
    def unknown(self) -> str:
        """The index for a timestamp that is no date."""
        return re.sub("(%.)+", UNKNOWN, self.pattern)

    @property
    def template(self) -> str:
        """The name of the index template: another for each pattern. No name of an index has a tilde."""
        return re.sub("%.", lambda directive: f"~{directive[0][1].lower()}", self.pattern)

    def matching(self, *, data_stream: bool = False) -> list[str]:
        """The index patterns of the template: as few other names match as patterns allow.

        A name without a date also stands for an alias, whose indices are numbered ``-000001`` and on by a rollover.
        """
        before, *dated = re.split("(%.)", self.pattern, maxsplit=1)
        if not dated:
            return [before] if data_stream else [before, f"{before}-00*"]
        rest = re.sub("(%.)+", "*", "".join(dated))
        return [*(f"{before}{digit}{rest}" for digit in _CHOICES[dated[0]][0]), self.unknown]

    @property
    def priority(self) -> int:
        """The priority of the template: the more specific of two that match a name has the higher one.

        Digits count for nothing: they may stand where another has a date. The numbers between are left to templates
        that meet others of the same priority.
        """
        literal = re.sub(r"%.|\d", "", self.pattern)
        return 200 + 2 * PRIORITIES * len(literal) + (0 if "%" in self.pattern else PRIORITIES)

    def shapes(self) -> list[Sequence[str]]:
        """Every name that there may be: for each of its places the characters that may stand there."""
        tokens = re.findall("%.|.", self.pattern)
        return [[place for token in tokens for place in _CHOICES.get(token, (token,))], self.unknown]


@lru_cache(maxsize=1024)
def _of_hour(pattern: str, hour: int) -> str:
    if not 0 <= hour < END_OF_TIME // 3_600_000:
        return IndexNames(pattern).unknown
    return datetime.fromtimestamp(hour * 3600, timezone.utc).strftime(pattern)


def rivals(names: Sequence[IndexNames], *, data_stream: bool = False) -> tuple[int, int] | None:
    """The places of two that cannot be told apart: both may name the same index, or one gets the other's template."""
    for (at, one), (at_other, other) in permutations(enumerate(names), 2):
        patterns = one.matching(data_stream=data_stream)
        taken = any(_may_match(pattern, shape) for pattern in patterns for shape in other.shapes())
        if taken and one.priority >= other.priority:
            return at, at_other
    return None


def _may_match(pattern: str, shape: Sequence[str]) -> bool:
    """Whether a name of that shape may match the pattern, in which ``*`` stands for any characters."""
    after = _past_stars(pattern, {0})
    for choices in shape:
        moved = {at + 1 for at in after if at < len(pattern) and pattern[at] in choices}
        after = _past_stars(pattern, moved | {at for at in after if pattern[at : at + 1] == "*"})
    return len(pattern) in after


def _past_stars(pattern: str, places: set[int]) -> set[int]:
    """The places, and those behind a star that is there: it may stand for nothing. No two stars are neighbours."""
    return places | {at + 1 for at in places if pattern[at : at + 1] == "*"}
