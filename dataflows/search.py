"""The search branch of the main job: documents of ratings and alerts, and the templates of their indices."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from prometheus_client import Counter

from operators.batch import Batch
from operators.each import Batches, Oks, each
from operators.gather import spread
from operators.limit import FailureLimit
from records.alert import EncodedAlert
from records.enriched import Encoded
from records.index_names import END_OF_TIME, PRIORITIES, IndexNames
from records.search import STATISTIC_PROPERTIES, encode_rating, of_statistic, template, with_timestamp
from records.statistic import EncodedStatistic
from settings import Search
from sinks.elasticsearch import Document, Template

_undated = Counter(
    "elasticsearch_undated_documents",
    "Documents without a usable timestamp: none, before 1970, or after the year 9999",
    ["index"],
)


def documents(
    settings: Search,
    ratings: Stream[tuple[str, Any]],
    enriched: Batches[Encoded],
    alerts: Batches[EncodedAlert],
    oks: Oks,
    limit: Callable[[], FailureLimit],
    statistics: Batches[EncodedStatistic] | None = None,
) -> Stream[tuple[str, Batch[Document]]]:
    """What goes to the search indices.

    A document's id is its rating's, and an alert's is its rule's, too: one that comes again replaces itself. The sink
    sends the documents of different lanes at the same time, so they are spread over the worker's lanes again.

    Statistics stay in one lane, which keeps their order: the last of an id replaces the others. No data stream has any.
    """
    enriched, alerts = spread("ratings_by_lane", enriched, user), spread("alerts_by_lane", alerts, user)
    streams = [
        oks(each("rating_document", enriched, to_document(settings, settings.index), limit())),
        oks(each("alert_document", alerts, to_document(settings, settings.alerts_index, alert_id), limit())),
    ]
    if settings.ratings_index:
        raw = oks(each("raw_rating_json", ratings, encode_rating, limit()))
        streams.append(oks(each("raw_rating_document", raw, to_document(settings, settings.ratings_index), limit())))
    if statistics is not None and settings.updates:
        streams.append(oks(each("statistic_document", statistics, statistic_to_document(settings), limit())))
    return op.merge("documents", *streams)


def user(record: Encoded) -> int:
    """The user id of an encoded record."""
    return int(record.key)


def rating_id(record: Encoded) -> str:
    """The id of a rating's document."""
    return str(record.rating_id)


alert_id = attrgetter("document_id")
"""The id of an alert's document."""


def to_document(settings: Search, index: str, id_of: Callable[[Any], str] = rating_id) -> Callable[[Encoded], Document]:
    """A function from an encoded record to its document in ``index``, which may be a pattern of dates."""
    index_of = IndexNames(index).of
    versioned = settings.versioned
    undated = _undated.labels(index)

    def document(record: Encoded) -> Document:
        rating_ts = record.rating_ts
        if not 0 <= rating_ts < END_OF_TIME:
            undated.inc()
        version = record.source_offset if versioned else None
        return Document(index_of(rating_ts), id_of(record), with_timestamp(record), version)

    return document


def statistic_to_document(settings: Search) -> Callable[[EncodedStatistic], Document]:
    """A function from an encoded statistic to its document."""
    index_of = IndexNames(settings.statistics_index).of
    return lambda statistic: Document(index_of(statistic.window_start), statistic.key, of_statistic(statistic))


def templates(settings: Search, *, statistics: bool = False) -> tuple[Template, ...]:
    """The index templates of the branch; ``statistics``: whether there are any."""
    data_stream, lifecycle = not settings.updates, settings.lifecycle
    bodies = {
        names: template(names, data_stream=data_stream, lifecycle=lifecycle)
        for names in map(IndexNames, settings.indices.values())
    }
    if statistics and settings.updates:
        names = IndexNames(settings.statistics_index)
        bodies[names] = template(names, STATISTIC_PROPERTIES, lifecycle=lifecycle)
    return tuple(Template(names.template, body, PRIORITIES) for names, body in bodies.items())
