"""The log."""

from typing import Literal

from pydantic import Field

from settings.component import Component


class Log(Component):
    """The log, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="least serious lines that are written"
    )
