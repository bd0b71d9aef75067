"""Enriched ratings in Avro, for those who read their topic with a schema registry."""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader

from messages.wire import FRAME_BYTES
from messages.writer import AvroWriter
from records.enriched import Encoded, EnrichedRating, Match, enrich

_TEXT = {"channel", "message", "first_name", "last_name", "full_name", "email", "club_status", "region"}
_NEEDED = {"rating_id", "user_id", "rating_ts", "source_partition", "source_offset"}


def _field(name: str, timestamp: Any) -> dict[str, Any]:
    if name == "rating_ts":
        return {"name": name, "type": timestamp}
    kind = "string" if name in _TEXT else "long"
    return {"name": name, "type": kind} if name in _NEEDED else {"name": name, "type": ["null", kind], "default": None}


def _schema(timestamp: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "EnrichedRating",
        "namespace": "ratings",
        "doc": "A rating with its customer.",
        "fields": [_field(name, timestamp) for name in EnrichedRating.__struct_fields__],
    }


SCHEMA = json.dumps(_schema({"type": "long", "logicalType": "timestamp-millis"}))
"""The fields are those of the JSON; rating_ts is a timestamp, what may be null has null as its default."""

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
            (
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
        fields: Any = schemaless_reader(BytesIO(value[FRAME_BYTES:]), _PLAIN_SCHEMA, None)
        return fields["source_partition"], fields["source_offset"], fields["rating_ts"]
