"""A rating of a flight, as its topic carries it."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal

import msgspec

from messages.dead_letter import DeadLetter, dead_letter
from messages.decoder import ALONE, Alone
from messages.errors import EmptyValue, InvalidRecord
from messages.json import MAX_BYTES, check, malformed, unwrap
from messages.message import Int64, Message
from messages.names import Names
from messages.numbers import whole, whole_id


class Rating(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One rating, and where on Kafka it was read.

    Stars are not bounded here: the reference's generator gives 1 to 4, its schema allows any int.
    """

    rating_id: Int64
    user_id: Int64
    stars: Int64 | None = None
    route_id: Int64 | None = None
    rating_time: Int64 | None = None
    """As the producer wrote it: epoch milliseconds, or 1, 13, 25 ... from kafka-connect-datagen."""
    channel: str | None = None
    message: str | None = None
    # Where it was read: it replaces a producer's fields of these names.
    rating_ts: int = -1
    """The Kafka record's timestamp, epoch milliseconds."""
    source_partition: int = -1
    source_offset: int = -1


class SourcedRating(Rating, gc=False):
    """A rating that keeps its Kafka record: it becomes a dead letter if no customer is found for it."""

    source_key: bytes | None = None
    source_value: bytes | None = None
    source_headers: list[tuple[str, bytes | None]] | None = None


FIELDS = frozenset({"rating_id", "user_id", "stars", "route_id", "rating_time", "channel", "message"})
"""What a rating's message holds, in lower case."""

_IDS = "rating_id", "user_id"
_NUMBERS = "stars", "route_id", "rating_time"
_NAMES = Names(FIELDS)


class WideRating(Rating, gc=False, forbid_unknown_fields=False):
    """A rating among other fields."""


# Of the exact fields alone it can be known at no cost that none has capitals in its name.
_decode_exact = msgspec.json.Decoder(Rating).decode
_decode_wide = msgspec.json.Decoder(WideRating).decode
_of_wide = attrgetter("rating_id", "user_id", "stars", "route_id", "rating_time", "channel", "message")
_fields_of = attrgetter(*Rating.__struct_fields__)


def decode(message: Message) -> Rating:
    """Read a rating from any form of JSON that ``messages.json`` knows.

    Raises:
        DecodeError: the value is no rating; the message says why.
    """
    (rating,) = decode_many([message])
    return _located(_decode_other(message), message) if rating is ALONE else rating


def decode_many(messages: Sequence[Message]) -> list[Rating | Literal[Alone.ALONE]]:
    """Read ratings of one partition in exactly our form of JSON, as nearly all are; ALONE stands for the others."""
    ratings: list[Rating | Literal[Alone.ALONE]] = []
    append, read = ratings.append, _decode_exact
    partition = messages[0].partition() if messages else None
    for message in messages:
        value = message.value()
        try:
            rating = read(value)  # type: ignore[arg-type]  # of None it raises
            if len(value) > MAX_BYTES or not value.isascii():  # type: ignore[arg-type, union-attr]
                check(value)  # type: ignore[arg-type]
        except (ValueError, RecursionError, TypeError):
            append(ALONE)
            continue
        _, rating.rating_ts = message.timestamp()
        rating.source_partition = partition  # type: ignore[assignment]  # None only before it was produced
        rating.source_offset = message.offset()  # type: ignore[assignment]
        append(rating)
    return ratings


def from_fields(message: Message, fields: object) -> Rating:
    """Make a rating of the fields that its value's Avro held, their names in lower case.

    Raises:
        msgspec.ValidationError, InvalidRecord: they are not those of a rating.
    """
    return _located(_of_fields(fields), message)


def many_from_fields(messages: Sequence[Message], rows: list[Any]) -> list[Rating]:
    """As ``from_fields``, of many."""
    try:
        ratings = msgspec.convert(rows, list[Rating])
    except msgspec.ValidationError:
        ratings = [Rating(*_of_wide(wide)) for wide in msgspec.convert(rows, list[WideRating])]
    return list(map(_located, ratings, messages))


def with_source(rating: Rating, message: Message) -> SourcedRating:
    """The rating with its message's key, value and headers."""
    kept = SourcedRating(*_fields_of(rating))
    kept.source_key, kept.source_value, kept.source_headers = message.key(), message.value(), message.headers()
    return kept


def without_source(rating: Rating) -> Rating:
    """The rating alone."""
    return Rating(*_fields_of(rating))


def _located(rating: Rating, message: Message) -> Rating:
    rating.rating_ts = message.timestamp()[1]
    rating.source_partition = message.partition()  # type: ignore[assignment]  # None only before it was produced
    rating.source_offset = message.offset()  # type: ignore[assignment]
    return rating


def unmatched(topic: str, rating: SourcedRating) -> DeadLetter:
    """The dead letter of a rating of ``topic`` that no customer was found for."""
    return dead_letter(
        topic,
        rating.source_partition,
        rating.source_offset,
        rating.rating_ts,
        rating.source_key,
        rating.source_value,
        rating.source_headers,
        step="join",
        error="UnknownCustomer",
        message=f"no customer has the id {rating.user_id}",
    )


def _decode_other(message: Message) -> Rating:
    value = message.value()
    if value is None:
        raise EmptyValue("the value is null: a rating cannot be deleted")
    try:
        wide = _decode_wide(value)
        check(value)
        if not _NAMES.with_capitals_in(value):
            return Rating(*_of_wide(wide))
    except (ValueError, RecursionError):
        pass
    fields = unwrap(message, _NAMES)
    if fields is None:
        raise InvalidRecord("the value is JSON null: a rating cannot be deleted")
    try:
        return _of_fields(fields)
    except msgspec.ValidationError as error:
        raise malformed(value, error) from None


def _of_fields(fields: object) -> Rating:
    if isinstance(fields, dict):
        fields = {name: field for name, field in fields.items() if name in FIELDS}
        for name in _IDS:
            if isinstance(fields.get(name), str | float | dict):
                fields[name] = whole_id(f"field {name}", fields[name])
        for name in _NUMBERS:
            if isinstance(fields.get(name), float | dict):
                fields[name] = whole(f"field {name}", fields[name])
    return msgspec.convert(fields, Rating)
