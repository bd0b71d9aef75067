"""Avro with a registry's id, written by fastavro: the form that all but the project's own writer is given."""

import json
from collections.abc import Callable
from typing import Any

from demo.generate.avro import encoder
from messages.registry import Registry
from messages.wire import frame

Row = dict[str, Any]

_KINDS = {
    "rating_id": "long",
    "user_id": "int",
    "stars": "int",
    "route_id": "int",
    "rating_time": "long",
    "channel": "string",
    "message": "string",
}


def _ratings(fields: list[Row]) -> str:
    return json.dumps({"type": "record", "name": "ratings", "namespace": "ksql", "fields": fields})


RATINGS = _ratings([{"name": name, "type": kind} for name, kind in _KINDS.items()])
"""Of ratings, as kafka-connect-datagen has it."""
NULLABLE_RATINGS = _ratings([{"name": name, "type": ["null", kind], "default": None} for name, kind in _KINDS.items()])
"""The same with every field a union with null, as ksqlDB writes them."""


def framed(registry: Registry, subject: str, schema: str) -> Callable[[Row], bytes]:
    """What makes a row Avro with `schema`, after its id under `subject`."""
    begin, write = frame(registry.register(subject, schema), b""), encoder(schema)
    return lambda row: begin + write(row)
