"""The status of running flows."""

from typing import Annotated

from pydantic import AfterValidator, Field

from settings.component import Component
from settings.values import Words, is_address


def _endpoints(urls: list[str]) -> list[str]:
    if not all(map(is_address, urls)):
        raise ValueError("must be `http://host:3031`, several separated by commas")
    return urls


class Status(Component):
    """The status, `dataflows.status`."""

    urls: Annotated[Words, AfterValidator(_endpoints)] = Field(
        [],
        alias="STATUS_URLS",
        description="health pages of all processes as `http://host:3031`, separated by commas. Empty: the ports "
        "3030 to 3037 of `localhost`",
    )
    still: float = Field(
        30,
        alias="STATUS_STILL_SECONDS",
        gt=0,
        description="seconds without a message read after which a flow that has messages to read counts as standing "
        "still",
    )
