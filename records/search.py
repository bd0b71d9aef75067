"""Ratings and alerts as documents of a search index, and the index's template."""

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from records.enriched import Encoded
from records.rating import Rating

TEMPLATE_VERSION = 1
"""Rises with every change of the template."""

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
    "rating_ts": {"type": "date", "format": "epoch_millis"},
    "first_name": _KEYWORD,
    "last_name": _KEYWORD,
    "full_name": _TEXT,
    "email": _KEYWORD,
    "club_status": _KEYWORD,
    "region": _KEYWORD,
    "source_partition": {"type": "integer"},
    "source_offset": {"type": "long"},
}


def template(index: str, *, data_stream: bool = False, lifecycle: str | None = None) -> dict[str, Any]:
    """The composable index template of an index that ``index`` names; fields beside these are kept, but not indexed."""
    settings = {"index.lifecycle.name": lifecycle} if lifecycle else {}
    if lifecycle and not data_stream:
        settings["index.lifecycle.rollover_alias"] = index
    return {
        "index_patterns": [re.sub(r"(%.)+", "*", index)] if "%" in index or data_stream else [index, f"{index}-*"],
        "priority": 200,
        "version": TEMPLATE_VERSION,
        **({"data_stream": {}} if data_stream else {}),
        "template": {"settings": settings, "mappings": {"dynamic": False, "properties": _PROPERTIES}},
    }


class IndexNames(NamedTuple):
    """The index of a record: a name, or a pattern of the record's own time."""

    pattern: str
    """With ``%Y``, ``%m``, ``%d`` or ``%H`` for the year, month, day or hour (UTC) of the rating's Kafka timestamp: by
    the record and never the clock, so that a rating that is read again goes where it went before."""

    def of(self, rating_ts: int) -> str:
        """The index for a timestamp in epoch milliseconds."""
        return self.pattern if "%" not in self.pattern else _index(self.pattern, rating_ts // 3_600_000)


@lru_cache(maxsize=1024)
def _index(pattern: str, hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, timezone.utc).strftime(pattern)


def with_timestamp(encoded: Encoded) -> bytes:
    """The JSON of a record with ``@timestamp`` before its other fields."""
    return b'{"@timestamp":%d,%s' % (encoded[5], encoded[1][1:])


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
