"""The log."""

from typing import Literal

from pydantic import Field

from settings.component import Component


class Log(Component):
    """The log, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO",
        alias="LOG_LEVEL",
        description="lowest level of log lines that are written: `DEBUG`, `INFO`, `WARNING` or `ERROR`",
    )
    format: Literal["text", "json"] = Field(
        "text",
        alias="LOG_FORMAT",
        description="form of the log lines: `text` for people, or `json` for machines, an object a line",
    )
