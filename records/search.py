"""Ratings, alerts and statistics as documents of a search index, and the index's template."""

from typing import Any

from records.columns import COLUMNS
from records.enriched import Encoded, encode
from records.index_names import IndexNames
from records.rating import Rating, without_source
from records.statistic import HISTOGRAM, EncodedStatistic

TEMPLATE_VERSION = 3
"""Rises with every change of the template."""

EARLIEST = -(2**63) + 1
"""The first of Elasticsearch's dates; the last one is that of Kafka."""

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_TYPES: dict[str, Any] = {
    "keyword": _KEYWORD,
    "text": {"type": "text", "fields": {"keyword": _KEYWORD}},
    "date": {"type": "date", "format": "epoch_millis", "ignore_malformed": True},
}
_PROPERTIES = {
    "@timestamp": {"type": "date"},
    **{column.name: _TYPES.get(column.search, {"type": column.search}) for column in COLUMNS},
    "rule": _KEYWORD,  # of an alert
}
STATISTIC_PROPERTIES: dict[str, Any] = {
    name: _KEYWORD if kind == "keyword" else {"type": kind}
    for kind, names in {
        "date": ("@timestamp", "window_start", "window_end"),
        "keyword": ("dimension", "value"),
        "long": ("count", "poor", "alerts", "unknown_customers", *HISTOGRAM),
        "double": ("mean", "median", "poor_share"),
    }.items()
    for name in names
}
"""The fields of a statistic."""


def template(
    names: IndexNames,
    properties: dict[str, Any] = _PROPERTIES,
    *,
    data_stream: bool = False,
    lifecycle: str | None = None,
) -> dict[str, Any]:
    """The composable index template of the indices of ``names``, by default of ratings and alerts.

    Other fields than those of ``properties`` are kept, but not indexed.
    """
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
        "template": {"settings": settings, "mappings": {"dynamic": False, "properties": properties}},
    }


def with_timestamp(encoded: Encoded) -> bytes:
    """The JSON of a record with ``@timestamp`` before its other fields."""
    rating_ts = encoded.rating_ts
    return b'{"@timestamp":%d,%s' % (rating_ts if rating_ts >= EARLIEST else EARLIEST, encoded.value[1:])


def encode_rating(rating: Rating) -> Encoded:
    """Encode a rating as it was read, without its customer."""
    return encode(without_source(rating))


def of_statistic(statistic: EncodedStatistic) -> bytes:
    """The JSON of a statistic with the start of its window as ``@timestamp`` before its other fields."""
    return b'{"@timestamp":%d,%s' % (statistic.window_start, statistic.value[1:])
