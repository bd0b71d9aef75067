"""The statistics branch."""

from typing import Annotated

from pydantic import AfterValidator, Field

from settings.component import Component
from settings.values import Words

_DIMENSIONS = ("channel", "club_status", "region")


def _dimensions(names: list[str]) -> list[str]:
    if any(name not in _DIMENSIONS for name in names):
        raise ValueError(f"must be some of {', '.join(_DIMENSIONS)}, separated by commas")
    return list(dict.fromkeys(names))


class Statistics(Component):
    """The statistics branch: ratings counted in windows of time. `STATISTICS_TOPIC` turns it on."""

    window: int = Field(
        60,
        alias="STATISTICS_WINDOW_SECONDS",
        ge=1,
        le=86400,
        description="length of a window in seconds; windows begin at multiples of it since 1970",
    )
    lateness: int = Field(
        300,
        alias="STATISTICS_LATENESS_SECONDS",
        ge=0,
        le=7 * 86400,
        description="seconds that a window stays open after its end; a rating that comes later is counted as late, "
        "and is in no statistic",
    )
    dimensions: Annotated[Words, AfterValidator(_dimensions)] = Field(
        list(_DIMENSIONS),
        alias="STATISTICS_DIMENSIONS",
        description="columns that ratings are counted by, besides all together: some of `channel`, `club_status` and "
        "`region`, separated by commas",
    )
