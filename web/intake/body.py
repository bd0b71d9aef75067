"""The body of a request to the messages of its ratings. Pure."""

import re
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from messages.decoder import ALONE
from messages.errors import DecodeError
from messages.json import malformed
from records import rating
from records.rating import Rating
from web.intake.answers import Refusal, Refused
from web.intake.duplicates import duplicate

MAX_RATING_BYTES = 900_000
"""The longest rating. librdkafka sends no message over 1,000,000 bytes unless it is told to."""

_SHOWN = 80

_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_FIELD = re.compile(r"field (\w+)")


class Posted(NamedTuple):
    """A rating as it is written to Kafka."""

    key: bytes
    """The rating's id as text."""
    value: bytes
    """The rating as it was sent, without the white space."""


def read(body: bytes, max_ratings: int) -> list[Posted]:
    """Read one rating, or a list of ratings. The flow's decoder reads each of them without a dead letter.

    Raises:
        Refusal: the body is not JSON, has too many ratings, none, or one that the flow could not read.
    """
    ratings = _compact(body)
    values = [bytes(value) for value in _items(ratings)]
    if not values:
        raise Refusal(Refused("empty_list", "the list holds no rating"))
    if len(values) > max_ratings:
        reason = f"the list holds {len(values):,} ratings, more than the limit of {max_ratings:,}"
        raise Refusal(Refused("too_many_ratings", reason))
    for index, value in enumerate(values):
        if len(value) > MAX_RATING_BYTES:
            reason = f"the rating has {len(value):,} bytes, more than the limit of {MAX_RATING_BYTES:,}"
            raise Refusal(Refused("rating_too_large", reason, index))
    # As the flow will read them.
    messages = [Message(value=value) for value in values]
    decoded = [
        _alone(message, index) if one is ALONE else one
        for index, (message, one) in enumerate(zip(messages, rating.decode_many(messages), strict=True))
    ]
    try:
        if duplicate(ratings) is not None:
            _refuse_duplicate(values)
    except RecursionError:
        raise Refusal(Refused("not_json", "the body is nested too deeply")) from None
    return [Posted(b"%d" % one.rating_id, value) for one, value in zip(decoded, values, strict=True)]


def _compact(body: bytes) -> bytes:
    """The body as a list, without white space."""
    try:
        body.decode()
        compact = msgspec.json.format(body, indent=-1)
        ratings = compact if compact.startswith(b"[") else b"[%s]" % compact
        _items(ratings)
    except UnicodeDecodeError as error:
        reason = f"the body is not UTF-8: {error.reason} at byte {error.start}"
        raise Refusal(Refused("not_json", reason)) from None
    except RecursionError:
        raise Refusal(Refused("not_json", "the body is nested too deeply")) from None
    except ValueError as error:
        reason = str(malformed(body, error)).replace("the value", "the body", 1)
        raise Refusal(Refused("not_json", reason)) from None
    return ratings


def _refuse_duplicate(values: list[bytes]) -> None:
    """Refuse the first rating with a name that stands twice."""
    for index, value in enumerate(values):
        if (name := duplicate(b"[%s]" % value)) is not None:
            name = name[:_SHOWN]
            raise Refusal(Refused("duplicate_name", f"the rating has the name {name!r} twice", index, name))


def _alone(message: Message, index: int) -> Rating:
    try:
        return rating.decode(message)
    except DecodeError as error:
        reason = str(error)
        field = _FIELD.match(reason)
        raise Refusal(Refused("invalid_rating", reason, index, field and field[1])) from None
