"""The search branch of the main job: documents of ratings and alerts, and the sink that they go to."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from elastic_transport import TransportError
from elasticsearch import ApiError

from dataflows import runtime
from operators.batch import KEY_GROUPS, Batch, group_index
from operators.each import Batches, Oks, each
from records.dead_letter import Refused
from records.enriched import Encoded, locate
from records.search import IndexNames, encode_rating, template, with_timestamp
from settings import Search, Settings
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Rejection, Sending, Template
from sources.kafka_topics import StartupError

log = logging.getLogger(__name__)


def documents(
    settings: Search,
    ratings: Stream[tuple[str, Any]],
    enriched: Batches[Encoded],
    alerts: Batches[Encoded],
    oks: Oks,
) -> Stream[tuple[str, Batch[Document]]]:
    """What goes to the search indices. A document's id is its rating's: one that comes again replaces itself."""
    streams = [
        oks(each("rating_document", enriched, to_document(settings, settings.index))),
        oks(each("alert_document", alerts, to_document(settings, settings.alerts_index))),
    ]
    if settings.ratings_index:
        raw = oks(each("raw_rating_json", ratings, encode_rating))
        streams.append(oks(each("raw_rating_document", raw, to_document(settings, settings.ratings_index))))
    return op.merge("documents", *streams)


def to_document(settings: Search, index: str) -> Callable[[Encoded], Document]:
    """A function from an encoded record to its document in ``index``, which may be a pattern of dates."""
    index_of = IndexNames(index).of
    versioned = settings.versioned

    def document(record: Encoded) -> Document:
        _, _, _, _, offset, rating_ts, rating_id = record
        version = offset if versioned else None
        return Document(index_of(rating_ts), str(rating_id), with_timestamp(record), version)

    return document


def templates(settings: Search) -> tuple[Template, ...]:
    """The index templates of the branch."""
    names = [name for name in (settings.index, settings.alerts_index, settings.ratings_index) if name]
    return tuple(
        Template(
            name.replace("%", ""),
            template(name, data_stream=settings.target == "data-stream", lifecycle=settings.lifecycle),
        )
        for name in names
    )


def from_environment() -> tuple[Template, ...]:
    """The index templates by the settings of the environment; for ``python -m sinks.elasticsearch template``."""
    return templates(Settings().search)


def connect(settings: Search, write: Callable[[list[Refused]], None]) -> ElasticsearchSink | None:
    """The branch's sink; None if the branch is off. ``write`` writes dead letters, and returns when they are safe.

    Raises:
        StartupError: Elasticsearch refuses us. One that does not answer is waited for while the flow runs.
    """
    if not settings.hosts:
        log.info("ELASTICSEARCH_URL is not set: nothing is written to Elasticsearch")
        return None
    cluster = _cluster(settings)
    try:
        cluster.connect().options(request_timeout=5).info()
    except ValueError as error:
        raise StartupError(f"ELASTICSEARCH_URL is {','.join(settings.hosts)}, which is not usable: {error}") from None
    except ApiError as error:
        if error.status_code in {401, 403}:
            raise StartupError(f"Elasticsearch at {','.join(settings.hosts)} refuses us: {error}") from None
        log.warning("Elasticsearch at %s: %s", ",".join(settings.hosts), error)
    except TransportError as error:
        log.warning("Elasticsearch at %s is not there yet: %s", ",".join(settings.hosts), error.message)
    return ElasticsearchSink(
        cluster,
        reject=partial(_reject, write),
        templates=templates(settings),
        op_type="create" if settings.target == "data-stream" else "index",
        sending=Sending(
            concurrency=settings.concurrency,
            bulk_bytes=settings.bulk_bytes,
            bulk_seconds=settings.bulk_seconds,
            max_buffer_bytes=settings.max_buffer_bytes,
            max_retries=settings.max_retries,
        ),
        keep_unanswered=runtime.has_recovery_store(),
        lanes=len(KEY_GROUPS),
        lane_of=group_index,
        stopping=runtime.stopping,
    )


def _cluster(settings: Search) -> Cluster:
    options: dict[str, object] = {"http_compress": settings.gzip}
    if settings.api_key:
        options["api_key"] = settings.api_key.get_secret_value()
    elif settings.username:
        password = settings.password.get_secret_value() if settings.password else ""
        options["basic_auth"] = (settings.username, password)
    if settings.ca_certs:
        options["ca_certs"] = settings.ca_certs
    return Cluster(tuple(settings.hosts), options)


def _reject(write: Callable[[list[Refused]], None], rejected: list[tuple[str, bytes, Rejection]]) -> None:
    """Write documents that Elasticsearch refuses as dead letters of their ratings."""
    write([Refused(*locate(body), "search", why.error, why.reason, body) for _, body, why in rejected])
