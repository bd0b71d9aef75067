"""The search branch of the main job: documents of ratings and alerts, and the templates of their indices."""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from prometheus_client import Counter

from operators.batch import Batch
from operators.each import Batches, Oks, each
from operators.limit import FailureLimit
from records.enriched import Encoded
from records.index_names import END_OF_TIME, PRIORITIES, IndexNames
from records.search import encode_rating, template, with_timestamp
from settings import Search
from sinks.elasticsearch import Document, Template

_undated = Counter(
    "elasticsearch_undated_documents",
    "Documents of ratings whose timestamp is no date: none, before 1970, or after 9999 as microseconds are",
    ["index"],
)


def documents(
    settings: Search,
    ratings: Stream[tuple[str, Any]],
    enriched: Batches[Encoded],
    alerts: Batches[Encoded],
    oks: Oks,
    limit: Callable[[], FailureLimit],
) -> Stream[tuple[str, Batch[Document]]]:
    """What goes to the search indices. A document's id is its rating's: one that comes again replaces itself."""
    streams = [
        oks(each("rating_document", enriched, to_document(settings, settings.index), limit())),
        oks(each("alert_document", alerts, to_document(settings, settings.alerts_index), limit())),
    ]
    if settings.ratings_index:
        raw = oks(each("raw_rating_json", ratings, encode_rating, limit()))
        streams.append(oks(each("raw_rating_document", raw, to_document(settings, settings.ratings_index), limit())))
    return op.merge("documents", *streams)


def to_document(settings: Search, index: str) -> Callable[[Encoded], Document]:
    """A function from an encoded record to its document in ``index``, which may be a pattern of dates."""
    index_of = IndexNames(index).of
    versioned = settings.versioned
    undated = _undated.labels(index)

    def document(record: Encoded) -> Document:
        _, _, _, _, offset, rating_ts, rating_id = record
        if not 0 <= rating_ts < END_OF_TIME:
            undated.inc()
        version = offset if versioned else None
        return Document(index_of(rating_ts), str(rating_id), with_timestamp(record), version)

    return document


def templates(settings: Search) -> tuple[Template, ...]:
    """The index templates of the branch."""
    data_stream = settings.target == "data-stream"
    return tuple(
        Template(names.template, template(names, data_stream=data_stream, lifecycle=settings.lifecycle), PRIORITIES)
        for names in map(IndexNames, settings.indices.values())
    )
