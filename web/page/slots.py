"""Counts of ratings in slots of time: what the charts are drawn from, in memory that does not grow."""

from collections import Counter
from collections.abc import Iterator

from records.statistic import POOR
from web.page.choice import Group

SLOTS = 60
"""Slots of time in the charts."""

POOR_STARS = POOR - 1
"""The most stars of a poor rating."""

_AHEAD_SECONDS = 60.0
"""A rating may be dated as much later than our clock."""

Count = tuple[Group, int | None]
"""The group of a rating, and its stars: 1 to 5, or None."""


class Slot:
    """The ratings of one slot of time."""

    def __init__(self) -> None:
        self.ratings = Counter[Count]()
        self.alerts = Counter[Group]()


class Slots:
    """The last ``SLOTS`` slots by the time of the rating, up to the present one.

    Args:
        minutes: that they cover.
    """

    def __init__(self, minutes: int) -> None:
        self.seconds = minutes * 60 // SLOTS
        """The length of a slot."""
        self._slots: dict[int, Slot] = {}

    def at(self, milliseconds: int, now: float) -> Slot | None:
        """The slot of a time, in epoch milliseconds; None if it is no longer, or not yet, shown."""
        number, present = milliseconds // (1000 * self.seconds), int(now) // self.seconds
        if not present - SLOTS < number <= int(now + _AHEAD_SECONDS) // self.seconds:
            return None
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = Slot()
            self._forget(present)
        return slot

    def upto(self, now: float) -> Iterator[tuple[int, Slot]]:
        """Each slot with the epoch milliseconds of its beginning, the oldest first; also those without ratings."""
        present = int(now) // self.seconds
        for number in range(present - SLOTS + 1, present + 1):
            yield number * self.seconds * 1000, self._slots.get(number) or _EMPTY

    def _forget(self, present: int) -> None:
        for number in [number for number in self._slots if number <= present - SLOTS]:
            del self._slots[number]


_EMPTY = Slot()
