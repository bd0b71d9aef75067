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
        description="seconds that a rating waits for a customer that is not known",
    )
    unmatched: Literal["emit", "drop", "dead-letter"] = Field(
        "emit",
        alias="UNMATCHED",
        description="fate of a rating whose customer does not arrive in time: `emit` writes it with null customer "
        "fields, `drop` counts it, `dead-letter` writes a dead letter",
    )
    max_held: int = Field(
        200_000,
        alias="UNMATCHED_MAX_HELD",
        ge=16,
        le=10_000_000,
        description="most ratings that may wait for their customer; above it the oldest stop waiting",
    )
