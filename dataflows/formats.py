"""How the main job's messages become records, in JSON and in Avro."""

from collections.abc import Sequence
from typing import Any

from records import customer, rating
from records.customer import CustomerChange
from records.decoder import Decoder
from records.message import Message
from records.rating import Rating
from schemas import formats
from schemas.cache import Schemas
from schemas.formats import Avro, Format


def of_ratings(form: Format, schemas: Schemas | None, *, keep_source: bool) -> Decoder[Rating]:
    """Decode ratings; ``keep_source`` keeps their keys, values and headers: they may yet become dead letters."""
    if not keep_source:
        return formats.decoder(rating.decode, Avro(rating.from_fields, rating.many_from_fields), form, schemas)

    def json(message: Message) -> Rating:
        return rating.with_source(rating.decode(message), message)

    def one(message: Message, fields: Any) -> Rating:
        return rating.with_source(rating.from_fields(message, fields), message)

    def many(messages: Sequence[Message], rows: list[Any]) -> list[Rating]:
        return list(map(rating.with_source, rating.many_from_fields(messages, rows), messages))

    return formats.decoder(json, Avro(one, many), form, schemas)


def of_customers(form: Format, schemas: Schemas | None) -> Decoder[CustomerChange]:
    """Decode changes of customers."""
    avro = Avro(customer.from_fields, customer.many_from_fields)
    return formats.decoder(customer.decode, avro, form, schemas, keyed=True)
