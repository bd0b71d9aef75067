"""Alerts."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from settings.component import Component
from settings.values import Words


def _pattern(value: object) -> object:
    try:
        # Empty, it would be found in every channel.
        return re.compile(value or "(?!)", re.IGNORECASE) if isinstance(value, str) else value
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"must be a regular expression: {error}") from None


Pattern = Annotated[re.Pattern[str], BeforeValidator(_pattern)]


class Alerts(Component):
    """Ratings that make an alert."""

    max_stars: int = Field(2, alias="ALERT_MAX_STARS", description="highest number of stars that makes an alert")
    club_statuses: Words = Field(
        ["platinum"],
        alias="ALERT_CLUB_STATUSES",
        description="club statuses whose customers make an alert, separated by commas, in any case",
    )
    test_channels: Pattern = Field(
        re.compile("test", re.IGNORECASE),
        alias="TEST_CHANNEL_PATTERN",
        description="regular expression, in any case, of channels that never make an alert; it may match anywhere "
        "in the name. Empty: every channel can",
    )
