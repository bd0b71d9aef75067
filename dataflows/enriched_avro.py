"""Enriched ratings in Avro, for those who read their topic with a schema registry."""

import json
from collections.abc import Sequence
from typing import Any

from records.enriched import Encoded, EnrichedRating
from schemas.writer import AvroWriter

_TEXT = {"channel", "message", "first_name", "last_name", "full_name", "email", "club_status", "region"}
_NEEDED = {"rating_id", "user_id", "rating_ts", "source_partition", "source_offset"}


def _field(name: str) -> dict[str, Any]:
    if name == "rating_ts":
        return {"name": name, "type": {"type": "long", "logicalType": "timestamp-millis"}}
    kind = "string" if name in _TEXT else "long"
    return {"name": name, "type": kind} if name in _NEEDED else {"name": name, "type": ["null", kind], "default": None}


SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "EnrichedRating",
        "namespace": "ratings",
        "doc": "A rating with its customer.",
        "fields": [_field(name) for name in EnrichedRating.__struct_fields__],
    }
)
"""The fields are those of the JSON; rating_ts is a timestamp, what may be null has null as its default."""


class EnrichedAvro:
    """Encodes enriched ratings with SCHEMA, under the id that the registry gave it."""

    def __init__(self, schema_id: int) -> None:
        self._writer = AvroWriter(SCHEMA, schema_id)

    def encode(self, ratings: Sequence[EnrichedRating]) -> list[Encoded]:
        """Encode many."""
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
        fields = self._writer.read(value)
        return fields["source_partition"], fields["source_offset"], round(fields["rating_ts"].timestamp() * 1000)
