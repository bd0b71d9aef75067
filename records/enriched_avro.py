"""Enriched ratings in Avro, for readers with a schema registry."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader

from messages.wire import FRAME_BYTES
from messages.writer import AvroWriter
from records.columns import COLUMNS, Column, Kind
from records.enriched import Encoded, Match, enrich


def _field(column: Column, kind: Any) -> dict[str, Any]:
    if column.null:
        return {"name": column.name, "type": ["null", kind], "default": None}
    return {"name": column.name, "type": kind}


def _schema(timestamp: Any) -> dict[str, Any]:
    kinds: dict[Kind, Any] = {"text": "string", "integer": "long", "timestamp": timestamp}
    return {
        "type": "record",
        "name": "EnrichedRating",
        "namespace": "ratings",
        "doc": "A rating with its customer.",
        "fields": [_field(column, kinds[column.kind]) for column in COLUMNS],
    }


SCHEMA = json.dumps(_schema({"type": "long", "logicalType": "timestamp-millis"}))
"""A field for each column; one that may be null has null as its default."""

# Read with it, a timestamp is a number: not every one that Kafka holds is a date of Python's.
_PLAIN_SCHEMA = parse_schema(_schema("long"))


class EnrichedAvro:
    """Encodes enriched ratings with SCHEMA, under the id that the registry gave it."""

    def __init__(self, schema_id: int) -> None:
        self._writer = AvroWriter(SCHEMA, schema_id)

    def encode(self, matches: Sequence[Match]) -> list[Encoded]:
        """Encode many."""
        ratings = [*map(enrich, matches)]
        values = self._writer.write(ratings)
        return [
            Encoded(
                str(one.user_id),
                value,
                None,
                one.source_partition,
                one.source_offset,
                one.rating_ts,
                one.rating_id,
            )
            for one, value in zip(ratings, values, strict=True)
        ]

    def locate(self, value: bytes) -> tuple[int, int, int]:
        """Partition, offset and timestamp (ms) of the rating that an encoded one came from."""
        fields = fields_of(value)
        return fields["source_partition"], fields["source_offset"], fields["rating_ts"]


def fields_of(value: bytes) -> dict[str, Any]:
    """The fields of an enriched rating that was encoded with SCHEMA, under whatever id."""
    fields: Any = schemaless_reader(BytesIO(value[FRAME_BYTES:]), _PLAIN_SCHEMA, None)
    return dict(fields)
