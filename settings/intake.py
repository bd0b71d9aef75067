"""The intake: ratings over HTTP."""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from settings.component import Component
from settings.listening import Host, Port, Token, is_loopback, own_port

_PORT = 8080


class Intake(Component):
    """The intake over HTTP."""

    host: Host = Field(
        "127.0.0.1",
        alias="INTAKE_HOST",
        description="address that the intake listens on; any but a loopback address needs `INTAKE_TOKEN`",
    )
    port: Annotated[Port, BeforeValidator(lambda value: own_port(value, _PORT))] = Field(
        _PORT, alias="INTAKE_PORT", description="port that the intake listens on; `0`: any free port"
    )
    token: Token | None = Field(
        None,
        alias="INTAKE_TOKEN",
        description="token that clients of the intake must send as `Authorization: Bearer TOKEN`. Unset: the intake "
        "asks for none",
    )
    max_body_bytes: int = Field(
        1 << 20,
        alias="INTAKE_MAX_BODY_BYTES",
        ge=1024,
        le=64 << 20,
        description="bytes of the body of a request to the intake above which it is refused",
    )
    max_ratings: int = Field(
        1000,
        alias="INTAKE_MAX_RATINGS",
        ge=1,
        le=100_000,
        description="ratings in a request to the intake above which it is refused",
    )
    queue_ratings: int = Field(
        100_000,
        alias="INTAKE_QUEUE_RATINGS",
        ge=1,
        le=10_000_000,
        description="ratings that may wait for the acknowledgement of Kafka in the intake; a request above it is "
        "told to come again",
    )
    queue_bytes: int = Field(
        64 << 20,
        alias="INTAKE_QUEUE_BYTES",
        ge=1 << 20,
        le=1 << 40,
        description="bytes of ratings that may wait for the acknowledgement of Kafka in the intake; a request above "
        "it is told to come again",
    )
    delivery_seconds: float = Field(
        10,
        alias="INTAKE_DELIVERY_SECONDS",
        ge=1,
        le=300,
        description="seconds that the intake waits for the acknowledgement of Kafka before it answers 503",
    )
    client_seconds: float = Field(
        10,
        alias="INTAKE_CLIENT_SECONDS",
        ge=0.1,
        le=300,
        description="seconds that a client of the intake may take for the headers of a request, for its body, and "
        "to read the answer",
    )
    max_connections: int = Field(
        256,
        alias="INTAKE_MAX_CONNECTIONS",
        ge=1,
        le=10_000,
        description="connections to the intake above which a new one is answered with 503 and closed",
    )

    @model_validator(mode="after")
    def _is_guarded(self) -> "Intake":
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"INTAKE_HOST is {self.host!r}, but INTAKE_TOKEN is not set: anybody who reaches it could write ratings"
            )
        return self

    @property
    def longest_list(self) -> int:
        """The most ratings in a request; more would never fit into the queue."""
        return min(self.max_ratings, self.queue_ratings)

    @property
    def longest_body(self) -> int:
        """The most bytes of a body. Ratings and their keys take less than twice as many in the queue."""
        return min(self.max_body_bytes, self.queue_bytes // 2)
