"""What a person chose to see, and the values that there are to choose from."""

from typing import NamedTuple

from records.enriched import EnrichedRating

DIMENSIONS = ("club_status", "channel", "region")
"""The columns that ratings can be chosen by."""

OTHER = "other"
"""Stands for all values after the first ones of a dimension."""

UNKNOWN = "unknown"
"""Stands for null."""

_MOST_VALUES = 12
_MOST_CHARACTERS = 30


class Group(NamedTuple):
    """The values of the dimensions that a rating counts under; as a choice, None takes every value."""

    club_status: str | None = None
    channel: str | None = None
    region: str | None = None

    def takes(self, group: "Group") -> bool:
        """Whether what counts under a group is chosen."""
        status, channel, region = self
        return (
            (status is None or status == group[0])
            and (channel is None or channel == group[1])
            and (region is None or region == group[2])
        )


EVERYTHING = Group()


class Values:
    """The values of each dimension that were seen: the first twelve; all others count as OTHER."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str | None, str]] = {dimension: {} for dimension in DIMENSIONS}

    def group(self, rating: EnrichedRating) -> Group:
        """The group of a rating."""
        return Group(
            self._name("club_status", rating.club_status),
            self._name("channel", rating.channel),
            self._name("region", rating.region),
        )

    def of(self, dimension: str) -> list[str]:
        """The names of a dimension's values, in order."""
        return sorted({*self._seen[dimension].values(), *([OTHER] if self._is_full(dimension) else [])})

    def _name(self, dimension: str, value: str | None) -> str:
        seen = self._seen[dimension]
        name = seen.get(value)
        if name is not None:
            return name
        if self._is_full(dimension):
            return OTHER
        return seen.setdefault(value, value[:_MOST_CHARACTERS].strip() or UNKNOWN if value else UNKNOWN)

    def _is_full(self, dimension: str) -> bool:
        return len(self._seen[dimension]) >= _MOST_VALUES
