"""The limit of dead letters."""

from pydantic import Field

from settings.component import Component


class DeadLetters(Component):
    """When so many records become dead letters that the flow stops instead."""

    max_share: float = Field(
        0.5,
        alias="DEAD_LETTERS_MAX_SHARE",
        gt=0,
        le=1,
        description="share of dead letters among the last 10,000 records of an input above which the flow stops; "
        "1: off",
    )
    max_in_a_row: int = Field(
        1000,
        alias="DEAD_LETTERS_MAX_IN_A_ROW",
        ge=1,
        description="how many records in a row may become dead letters before the flow stops",
    )
