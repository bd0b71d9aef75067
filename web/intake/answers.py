"""The answers of the intake, and the refusal that becomes one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from starlette.responses import Response

AGAIN = {"Retry-After": "1"}
"""The header that asks a client to send the same request again, after so many seconds."""


class Coordinates(msgspec.Struct):
    """The place of a rating on Kafka."""

    topic: str
    partition: int
    offset: int


class Accepted(msgspec.Struct):
    """All ratings of a request are on Kafka."""

    accepted: list[Coordinates]
    """One for each rating, in the order of the request."""


class Refused(msgspec.Struct, omit_defaults=True):
    """A request was refused, or only a part of its ratings was acknowledged."""

    error: str
    """The kind of the refusal, for programs."""
    reason: str
    """A sentence for people."""
    index: int | None = None
    """The rating of a list that is at fault, from 0."""
    field: str | None = None
    """The field of the rating that is at fault."""
    accepted: list[Coordinates | None] | None = None
    """Missing: nothing was written. Otherwise one for each rating; null: it may have been written or not."""


class Kind(NamedTuple):
    """A kind of refusal."""

    status: int
    meaning: str
    headers: Mapping[str, str] = MappingProxyType({})


KINDS = {
    "not_json": Kind(400, "the body is not JSON in UTF-8"),
    "incomplete_body": Kind(400, "the connection was closed within the body"),
    "empty_list": Kind(400, "the list holds no rating"),
    "duplicate_name": Kind(400, "an object has a name twice"),
    "invalid_rating": Kind(400, "the flow could not read the rating"),
    "unauthorized": Kind(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"}),
    "not_found": Kind(404, "there is nothing at this path"),
    "method_not_allowed": Kind(405, "the path does not take this method"),
    "slow_body": Kind(408, "the body did not arrive in time", {"Connection": "close"}),
    "body_too_large": Kind(413, "the body is over INTAKE_MAX_BODY_BYTES"),
    "rating_too_large": Kind(413, "a rating is too large for Kafka"),
    "too_many_ratings": Kind(413, "the list is over INTAKE_MAX_RATINGS"),
    "unsupported_media_type": Kind(415, "the body is not application/json, or it is compressed"),
    "queue_full": Kind(429, "too many ratings wait for Kafka", AGAIN),
    "kafka_away": Kind(503, "Kafka is away, or the topic does not exist; nothing was written", AGAIN),
    "not_acknowledged": Kind(503, "Kafka did not acknowledge all ratings in time", AGAIN),
}
"""Every ``error``."""


class Refusal(Exception):
    """A request that is refused; ``refused.error`` is one of ``KINDS``."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


_encode = msgspec.json.Encoder().encode


def answer(content: Accepted) -> Response:
    """The answer 202."""
    return Response(_encode(content), 202, media_type="application/json")


def refusal(refused: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a refusal, with more headers."""
    kind = KINDS[refused.error]
    return Response(_encode(refused), kind.status, {**kind.headers, **(headers or {})}, "application/json")
