"""The limit of dead letters."""

from pydantic import Field

from settings.component import Component


class DeadLetters(Component):
    """The limit of dead letters above which the job stops."""

    max_share: float = Field(
        0.5,
        alias="DEAD_LETTERS_MAX_SHARE",
        gt=0,
        le=1,
        description="share of dead letters among the last 10,000 records of an input, a step or an output above "
        "which the job stops; `1` turns the limit off",
    )
    max_in_a_row: int = Field(
        1000,
        alias="DEAD_LETTERS_MAX_IN_A_ROW",
        ge=1,
        description="most records of an input, a step or an output that may become dead letters in a row; one "
        "more stops the job",
    )
