"""Statistics of ratings: what is told of the ratings of one window, for each value of each dimension."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from records.customer import Customer, Segment
from records.enriched import NOBODY, Match

ALL = "all"
"""The dimension of all ratings, whose only value is null."""

DIMENSIONS = ("channel", "club_status", "region")
"""The columns that ratings are counted by."""

OTHER = "(other)"
"""The value of ratings that are counted apart from the others of a window because it has too many values."""

LONGEST = 64
"""Characters of a value that are kept: a document's id has 512 bytes."""

POOR = 3
"""A rating with fewer stars is poor."""

_STARS = range(1, 6)
_OTHER_STARS = 0

_MOST_SEGMENTS = 10_000

Key = tuple[Any, ...]
"""What ratings are counted by: the window's number, the value of each of DIMENSIONS, stars, whether the customer is
unknown."""

_VALUES, _AT_STARS, _AT_UNKNOWN = slice(1, 4), 4, 5


class Count(Protocol):
    """The ratings of a key."""

    records: int
    marks: int
    """Their alerts."""


class Statistic(msgspec.Struct, gc=False):
    """The statistics of the ratings of a window that have one value in one dimension."""

    window_start: int
    """Epoch milliseconds, as is the end. The end does not belong to the window."""
    window_end: int
    dimension: str
    value: str | None
    count: int
    """All ratings. The next four are of those with 1 to 5 stars; without one there is no mean, median and share."""
    mean: float | None
    median: float | None
    """The middle one in order of stars; of an even number the mean of the two in the middle."""
    poor: int
    """Ratings with fewer than 3 stars."""
    poor_share: float | None
    alerts: int
    """A rating that meets two rules is two."""
    unknown_customers: int
    """Ratings whose customer was not known."""
    stars_1: int
    """The number of ratings by stars."""
    stars_2: int
    stars_3: int
    stars_4: int
    stars_5: int
    stars_other: int
    """Of those with other numbers of stars; and of those without stars."""
    stars_none: int


HISTOGRAM = tuple(name for name in Statistic.__struct_fields__ if name.startswith("stars_"))
"""The fields with the numbers of ratings by stars."""


class EncodedStatistic(msgspec.Struct, gc=False):
    """A statistic as a Kafka message and a search document hold it."""

    key: str
    """The start of its window, the dimension and the value in JSON, in which null differs from a text: it is unique."""
    value: bytes
    headers: None
    window_start: int
    """Epoch milliseconds."""


def keys(matches: Sequence[Match]) -> list[tuple[Any, ...]]:
    """What ratings are counted by within a window: channel, stars and the customer's segment.

    Without segments, which keep their hash and are kept with customers, a rating would take twice the time.
    """
    return [
        ((rating := match.rating).channel, rating.stars, (customer := match.customer).segment or _segment(customer))
        for match in matches
    ]


def times(matches: Sequence[Match]) -> list[int]:
    """The timestamps of ratings, epoch milliseconds."""
    return [match.rating.rating_ts for match in matches]


def origins(matches: Sequence[Match]) -> list[tuple[int, int]]:
    """Partition and timestamp (epoch milliseconds) of ratings."""
    return [(match.rating.source_partition, match.rating.rating_ts) for match in matches]


def _segment(customer: Customer) -> Segment:
    customer.segment = segment = _same(customer.club_status, customer.region, customer is NOBODY)
    return segment


_same = lru_cache(_MOST_SEGMENTS)(Segment)
"""The same segment for all customers like one: what is identical is compared in no time."""


def tidy(key: tuple[str | None, int | None, Segment]) -> tuple[Any, ...]:
    """The end of a Key: long texts are cut, and one number is in place of stars that are not 1 to 5."""
    channel, stars, segment = key
    if stars is not None and stars not in _STARS:
        stars = _OTHER_STARS
    return _cut(channel), _cut(segment.club_status), _cut(segment.region), stars, segment.is_unknown


def other(key: Key) -> Key:
    """The key with OTHER as all of its values."""
    return key[0], OTHER, OTHER, OTHER, key[_AT_STARS], key[_AT_UNKNOWN]


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else text[:LONGEST]


class _Cell:
    """The ratings of a value."""

    def __init__(self) -> None:
        self.stars: dict[int | None, int] = dict.fromkeys((*_STARS, _OTHER_STARS, None), 0)
        self.alerts = self.unknown = 0

    def add(self, key: Key, count: Count) -> None:
        self.stars[key[_AT_STARS]] += count.records
        self.alerts += count.marks
        if key[_AT_UNKNOWN]:
            self.unknown += count.records

    def statistic(self, start: int, end: int, dimension: str, value: str | None) -> Statistic:
        rated = [self.stars[stars] for stars in _STARS]
        total, poor = sum(rated), sum(rated[: POOR - 1])
        return Statistic(
            start,
            end,
            dimension,
            value,
            sum(self.stars.values()),
            sum(stars * number for stars, number in zip(_STARS, rated, strict=True)) / total if total else None,
            median(rated),
            poor,
            poor / total if total else None,
            self.alerts,
            self.unknown,
            *self.stars.values(),
        )


def median(histogram: Sequence[int]) -> float | None:
    """The median of the numbers from 1 on, given how often there is each; None if there is none."""
    total = sum(histogram)
    if not total:
        return None
    return (_at(histogram, (total - 1) // 2) + _at(histogram, total // 2)) / 2


def _at(histogram: Sequence[int], place: int) -> int:
    """The number at a place in the order, counted from 0."""
    for number, times in enumerate(histogram, 1):
        place -= times
        if place < 0:
            return number
    raise IndexError(place)


def statistics(
    window: int, counts: Mapping[Key, Count], size: int, dimensions: Sequence[str]
) -> Iterator[EncodedStatistic]:
    """The statistics of a window, those of all ratings first.

    Args:
        window: Its number.
        counts: Its ratings by tidy keys.
        size: The length of a window, milliseconds.
        dimensions: Some of DIMENSIONS.
    """
    places = [DIMENSIONS.index(dimension) for dimension in dimensions]
    cells: dict[tuple[str, str | None], _Cell] = {(ALL, None): (everything := _Cell())}
    for key, count in counts.items():
        everything.add(key, count)
        values = key[_VALUES]
        for dimension, place in zip(dimensions, places, strict=True):
            cell = cells.get((dimension, values[place]))
            if cell is None:
                cell = cells[dimension, values[place]] = _Cell()
            cell.add(key, count)
    start = window * size
    for (dimension, value), cell in cells.items():
        yield encode(cell.statistic(start, start + size, dimension, value))


_encode = msgspec.json.Encoder().encode


def encode(statistic: Statistic) -> EncodedStatistic:
    """Encode a statistic in JSON."""
    start = statistic.window_start
    value = _encode(statistic.value).decode()
    return EncodedStatistic(f"{start}|{statistic.dimension}|{value}", _encode(statistic), None, start)
