"""Ratings, alerts and a clock for the tests of the page."""

from typing import Any

from records.enriched import EnrichedRating
from records.read_alert import Alert

NOW = 1_780_315_230.0
"""30 seconds after noon."""


class Clock:
    """Epoch seconds that a test sets."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def rating(offset: int, stars: int | None = 2, ago: float = 0, now: float = NOW, **fields: Any) -> EnrichedRating:
    """A rating that was given `ago` seconds before `now`."""
    held: dict[str, Any] = {
        "rating_id": offset,
        "user_id": 7,
        "stars": stars,
        "route_id": None,
        "rating_time": None,
        "channel": "web",
        "message": "meh",
        "rating_ts": int((now - ago) * 1000),
        "first_name": "Ada",
        "last_name": "Byron",
        "full_name": "Ada Byron",
        "email": "ada@example.com",
        "club_status": "gold",
        "region": "EMEA",
        "source_partition": 0,
        "source_offset": offset,
    }
    return EnrichedRating(**{**held, **fields})


def alert(offset: int, rule: str | None = "unhappy-platinum") -> Alert:
    """The alert of the rating at an offset."""
    return Alert(rating_id=offset, user_id=7, source_partition=0, source_offset=offset, rule=rule)
