"""Ratings in Avro, with a schema registry's id before them."""

import json
from io import BytesIO
from pathlib import Path

from fastavro import parse_schema, schemaless_writer

from embedded.generate.ratings import Form, Rating, as_text, empty
from schemas.wire import frame

SCHEMA = Path(__file__).with_name("rating.avsc").read_text()
"""The record ``ksql.ratings`` of kafka-connect-datagen, in Avro's JSON."""

_UNKNOWN_ID = 0x7FFF_FFFF
"""Registries count from 1."""


def form(schema_id: int) -> Form:
    """How ratings are written with a registry's id of ``SCHEMA``."""
    schema = parse_schema(json.loads(SCHEMA))
    begin = frame(schema_id, b"")

    def encode(rating: Rating) -> bytes:
        out = BytesIO()
        out.write(begin)
        schemaless_writer(out, schema, rating)
        return out.getvalue()

    def truncate(rating: Rating) -> bytes:
        whole = encode(rating)
        return whole[: len(whole) // 2]

    def of_an_unknown_schema(rating: Rating) -> bytes:
        return frame(_UNKNOWN_ID, encode(rating)[len(begin) :])

    return Form(encode, (truncate, as_text, of_an_unknown_schema, empty))
