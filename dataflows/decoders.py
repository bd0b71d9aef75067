"""The decoders of the main job and of the notifier, for JSON and Avro."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dataflows import notices
from dataflows.notices import Rule
from messages import formats
from messages.cache import Schemas
from messages.decoder import Decoder
from messages.formats import Avro, Format
from messages.message import Message
from messages.unavailable import UNAVAILABLE
from records import customer, rating, read_alert
from records.customer import CustomerChange
from records.rating import Rating
from sinks.notices import Entry


def of_ratings(form: Format, schemas: Schemas | None, *, keep_source: bool) -> Decoder[Rating]:
    """The decoder of ratings; ``keep_source`` keeps keys, values and headers, in case they become dead letters."""
    if not keep_source:
        avro = Avro(rating.from_fields, rating.many_from_fields)
        return formats.decoder(Decoder(rating.decode, rating.decode_many), avro, form, schemas)

    def json(message: Message) -> Rating:
        return rating.with_source(rating.decode(message), message)

    def one(message: Message, fields: Any) -> Rating:
        return rating.with_source(rating.from_fields(message, fields), message)

    def many(messages: Sequence[Message], rows: list[Any]) -> list[Rating]:
        return list(map(rating.with_source, rating.many_from_fields(messages, rows), messages))

    return formats.decoder(Decoder(json), Avro(one, many), form, schemas)


def of_customers(
    form: Format, schemas: Schemas | None, unavailable: frozenset[str] = UNAVAILABLE
) -> Decoder[CustomerChange]:
    """The decoder of customer changes; ``unavailable``: placeholders of values that the database did not send."""
    avro = Avro(
        partial(customer.from_fields, unavailable=unavailable),
        partial(customer.many_from_fields, unavailable=unavailable),
    )
    return formats.decoder(Decoder(partial(customer.decode, unavailable=unavailable)), avro, form, schemas, keyed=True)


def of_alerts(topic: str, rules: Mapping[str, Rule], schemas: Schemas | None) -> Decoder[Entry]:
    """The decoder of alerts of ``topic`` into entries of the notifier."""

    def json(message: Message) -> Entry | None:
        read = read_alert.decode(message)
        return None if read is None else notices.entry(topic, rules, message, read)

    def one(message: Message, fields: Any) -> Entry:
        return notices.entry(topic, rules, message, read_alert.from_fields(fields))

    def many(messages: Sequence[Message], rows: list[Any]) -> list[Entry]:
        return list(map(one, messages, rows))

    return formats.decoder(Decoder(json), Avro(one, many), "auto", schemas)
