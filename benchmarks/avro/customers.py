"""Customers as Debezium writes them in a snapshot: its own messages, each with another row."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from benchmarks.avro.schemas import Row, framed
from demo.generate.avro import encoder
from messages.registry import Registry
from messages.wire import FRAME_BYTES, frame
from servers.embedded.debezium import SCHEMAS, SENT


@dataclass(frozen=True)
class Form:
    """One of the forms that Debezium can be set to: what it makes of a row."""

    name: str
    key: Callable[[Row], bytes]
    value: Callable[[Row], bytes]
    schema: str | None = None
    """The value's, in Avro."""


def forms(registry: Registry) -> dict[str, Form]:
    """Flattened rows and envelopes, in JSON, then in Avro, whose schemas are registered; by name."""
    found = (
        _json("flattened JSON", "flat"),
        _json("envelope JSON", "raw"),
        _avro("flattened Avro", "avroflat", registry),
        _avro("envelope Avro", "avroraw", registry),
    )
    return {form.name: form for form in found}


def _json(name: str, config: str) -> Form:
    return Form(name, lambda row: b'{"id":%d}' % row["id"], _like(_first(config)[1], orjson.dumps))


def _avro(name: str, config: str, registry: Registry) -> Form:
    key, value = _first(config)
    key_schema, value_schema = (SCHEMAS[int.from_bytes(bytes_[1:FRAME_BYTES], "big")] for bytes_ in (key, value))
    schema = json.loads(value_schema)
    before = schema["fields"][0]
    row_schema = before["type"][1] if before["name"] == "before" else schema
    begin = frame(registry.register(f"{config}-value", value_schema), b"")
    payload = _like(value[FRAME_BYTES:], encoder(json.dumps(row_schema)))
    return Form(name, framed(registry, f"{config}-key", key_schema), lambda row: begin + payload(row), value_schema)


def _first(config: str) -> tuple[bytes, bytes]:
    """Key and value of the first message that was sent in a configuration."""
    return next((sent.key, sent.value) for sent in SENT if sent.config == config and sent.key and sent.value)


def _like(sent: bytes, encode: Callable[[Row], bytes]) -> Callable[[Row], bytes]:
    """What makes a row a message like `sent`, which has the first row of all."""
    begin, end = sent.split(encode(orjson.loads(_first("flat")[1])))
    return lambda row: begin + encode(row) + end
