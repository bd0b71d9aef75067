"""The search branch of the main job: documents of ratings and alerts, and the sink that they go to."""

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Stream
from prometheus_client import Counter

from dataflows import runtime
from messages.dead_letter import Refused
from operators.batch import KEY_GROUPS, Batch, group_index
from operators.each import Batches, Oks, each
from records.enriched import Encoded, locate
from records.index_names import END_OF_TIME, PRIORITIES, IndexNames
from records.search import encode_rating, template, with_timestamp
from settings import Search, Settings
from sinks import elasticsearch
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Limit, Rejected, Sending, Template
from sinks.elasticsearch.readiness import Denied, Elsewhere, NotYet, Untrusted, prepare
from sources.kafka_topics import StartupError

log = logging.getLogger(__name__)

START_SECONDS = 5.0
"""A request at the start has so much time; what does not answer is waited for while the flow runs."""

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


def from_environment() -> tuple[Template, ...]:
    """The index templates by the settings of the environment; for ``python -m sinks.elasticsearch template``."""
    return templates(Settings.load().search)


def connect(
    settings: Search, write: Callable[[list[Refused]], None], limit: Limit | None = None
) -> ElasticsearchSink | None:
    """The branch's sink; None if the branch is off. ``write`` writes dead letters, and returns when they are safe.

    Raises:
        StartupError: there is no Elasticsearch, or it refuses us. One that does not answer is waited for while the flow
            runs.
    """
    if not settings.hosts:
        log.info("ELASTICSEARCH_URL is not set: nothing is written to Elasticsearch")
        return None
    cluster = _cluster(settings)
    hosts = re.sub("//[^/@,]*@", "//", ",".join(settings.hosts))
    needed = templates(settings)
    try:
        prepare(cluster.connect().options(request_timeout=START_SECONDS), needed)
        needed = ()
    except ValueError as error:
        raise StartupError(f"ELASTICSEARCH_URL is {hosts}, which is not usable: {error}") from None
    except Elsewhere as error:
        raise StartupError(f"ELASTICSEARCH_URL is {hosts}, but {error}") from None
    except Untrusted as error:
        mend = "set ELASTICSEARCH_CA_CERTS to the file of its authority"
        raise StartupError(f"the certificate of {hosts} is not trusted, {mend}: {error}") from None
    except Denied as error:
        mend = "see ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
        raise StartupError(f"Elasticsearch at {hosts} refuses us, {mend}: {error}") from None
    except elasticsearch.Refused as error:
        raise StartupError(f"Elasticsearch at {hosts} refuses us: {error}") from None
    except NotYet as error:
        log.warning("Elasticsearch at %s is not there yet: %s", hosts, error)
    return ElasticsearchSink(
        cluster,
        reject=partial(_reject, write),
        limit=limit,
        templates=needed,
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
        options["ca_certs"] = str(settings.ca_certs)
    return Cluster(tuple(settings.hosts), options)


def _reject(write: Callable[[list[Refused]], None], rejected: list[Rejected]) -> None:
    """Write documents that Elasticsearch refuses as dead letters of their ratings."""
    write([Refused(*_origin(one.body), "search", one.error, one.reason, one.body, one.target) for one in rejected])


def _origin(body: bytes) -> tuple[int, int, int]:
    try:
        return locate(body)
    except msgspec.MsgspecError:
        return -1, -1, -1  # a body that is no JSON is a reason to be here
