"""Ratings and alerts as documents of a search index, and the index's template."""

from typing import Any

import msgspec

from records.enriched import Encoded
from records.index_names import IndexNames
from records.rating import Rating

TEMPLATE_VERSION = 2
"""Rises with every change of the template."""

EARLIEST = -(2**63) + 1
"""The first of Elasticsearch's dates; the last one is that of Kafka."""

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_TEXT = {"type": "text", "fields": {"keyword": _KEYWORD}}

_PROPERTIES: dict[str, Any] = {
    "@timestamp": {"type": "date"},
    "rating_id": {"type": "long"},
    "user_id": {"type": "long"},
    "stars": {"type": "byte"},
    "route_id": {"type": "long"},
    # Not a date: from kafka-connect-datagen it is 1, 13, 25 ...
    "rating_time": {"type": "long"},
    "channel": _KEYWORD,
    "message": _TEXT,
    "rating_ts": {"type": "date", "format": "epoch_millis", "ignore_malformed": True},
    "first_name": _KEYWORD,
    "last_name": _KEYWORD,
    "full_name": _TEXT,
    "email": _KEYWORD,
    "club_status": _KEYWORD,
    "region": _KEYWORD,
    "source_partition": {"type": "integer"},
    "source_offset": {"type": "long"},
}


def template(names: IndexNames, *, data_stream: bool = False, lifecycle: str | None = None) -> dict[str, Any]:
    """The composable index template of the indices of ``names``; fields beside these are kept, but not indexed."""
    settings = {"index.lifecycle.name": lifecycle} if lifecycle else {}
    if lifecycle and not data_stream and "%" not in names.pattern:
        settings["index.lifecycle.rollover_alias"] = names.pattern
    return {
        "index_patterns": names.matching(data_stream=data_stream),
        "priority": names.priority,
        "version": TEMPLATE_VERSION,
        # No null in it: Elasticsearch then fails to make data streams, with a null_pointer_exception.
        "_meta": {"managed_by": "ratings-enrichment", "data_stream": data_stream, "lifecycle": lifecycle or "none"},
        **({"data_stream": {}} if data_stream else {}),
        "template": {"settings": settings, "mappings": {"dynamic": False, "properties": _PROPERTIES}},
    }


def with_timestamp(encoded: Encoded) -> bytes:
    """The JSON of a record with ``@timestamp`` before its other fields."""
    rating_ts = encoded[5]
    return b'{"@timestamp":%d,%s' % (rating_ts if rating_ts >= EARLIEST else EARLIEST, encoded[1][1:])


class _RatingDocument(msgspec.Struct, gc=False):
    rating_id: int
    user_id: int
    stars: int | None
    route_id: int | None
    rating_time: int | None
    channel: str | None
    message: str | None
    rating_ts: int
    source_partition: int
    source_offset: int


_encode = msgspec.json.Encoder().encode


def encode_rating(rating: Rating) -> Encoded:
    """Encode a rating as it was read, without its customer."""
    value = _encode(
        _RatingDocument(
            rating.rating_id,
            rating.user_id,
            rating.stars,
            rating.route_id,
            rating.rating_time,
            rating.channel,
            rating.message,
            rating.rating_ts,
            rating.source_partition,
            rating.source_offset,
        )
    )
    key, origin = str(rating.user_id), (rating.source_partition, rating.source_offset, rating.rating_ts)
    return key, value, None, *origin, rating.rating_id
