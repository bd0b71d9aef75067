"""The live page."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from settings.component import Component
from settings.kafka import TopicList
from settings.listening import Host, Port, Token, is_loopback, own_port

_PORT = 8081


class Page(Component):
    """The live page."""

    host: Host = Field(
        "127.0.0.1",
        alias="PAGE_HOST",
        description="address that the page listens on; any but a loopback address needs `PAGE_TOKEN`",
    )
    port: Annotated[Port, BeforeValidator(lambda value: own_port(value, _PORT))] = Field(
        _PORT, alias="PAGE_PORT", description="port that the page listens on; `0`: any free port"
    )
    token: Token | None = Field(
        None,
        alias="PAGE_TOKEN",
        description="token that the page asks a person for, once a browser. Unset: the page asks for none",
    )
    minutes: int = Field(
        60,
        alias="PAGE_MINUTES",
        ge=1,
        le=1440,
        description="minutes of ratings that the page's charts and counts cover",
    )
    read_back: int = Field(
        500_000,
        alias="PAGE_READ_BACK",
        ge=0,
        le=10_000_000,
        description="enriched ratings that the page reads again when it starts, at most",
    )

    alerts_topics: TopicList = Field(
        [],
        alias="PAGE_ALERTS_TOPICS",
        description="topics of alerts that the page shows, separated by commas. Empty: `ALERTS_TOPIC`",
    )

    @model_validator(mode="after")
    def _is_guarded(self) -> "Page":
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"PAGE_HOST is {self.host!r}, but PAGE_TOKEN is not set: anybody who reaches it could read customers' "
                "data"
            )
        return self
