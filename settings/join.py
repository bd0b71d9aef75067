"""The join of ratings and customers."""

from typing import Literal

from pydantic import Field

from settings.component import Component


class Join(Component):
    """Ratings whose customer is not known."""

    grace: float = Field(
        5,
        alias="UNMATCHED_GRACE_SECONDS",
        ge=0,
        le=3600,
        description="seconds that a rating waits for its customer",
    )
    unmatched: Literal["emit", "drop", "dead-letter"] = Field(
        "emit",
        alias="UNMATCHED",
        description="what becomes of it then: written with null customer fields, dropped and counted, or a dead letter",
    )
    max_held: int = Field(
        200_000,
        alias="UNMATCHED_MAX_HELD",
        ge=16,
        le=10_000_000,
        description="ratings that wait at most; above it the oldest do not wait any longer",
    )
