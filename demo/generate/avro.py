"""Ratings in Avro, with a schema registry's id before them."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer

from demo.generate.ratings import Form, Rating, as_text, empty
from messages.wire import frame

SCHEMA = Path(__file__).with_name("rating.avsc").read_text()
"""The record ``ksql.ratings`` of kafka-connect-datagen, in Avro's JSON."""

_UNKNOWN_ID = 0x7FFF_FFFF
"""Registries count from 1."""


def encoder(schema: str) -> Callable[[Any], bytes]:
    """What writes a value with a schema, without an id, by fastavro."""
    parsed = parse_schema(json.loads(schema))

    def encode(value: Any) -> bytes:
        out = BytesIO()
        schemaless_writer(out, parsed, value)
        return out.getvalue()

    return encode


def form(schema_id: int) -> Form:
    """How ratings are written with a registry's id of ``SCHEMA``."""
    bare, begin = encoder(SCHEMA), frame(schema_id, b"")

    def encode(rating: Rating) -> bytes:
        return begin + bare(rating)

    def truncate(rating: Rating) -> bytes:
        whole = encode(rating)
        return whole[: len(whole) // 2]

    def of_an_unknown_schema(rating: Rating) -> bytes:
        return frame(_UNKNOWN_ID, bare(rating))

    return Form(encode, (truncate, as_text, of_an_unknown_schema, empty))
