"""Elasticsearch: the sink of the search branch."""

import logging
import re
from collections.abc import Callable
from functools import partial

import msgspec

from dataflows import process
from dataflows.search import templates
from dataflows.wiring.errors import StartupError
from messages.dead_letter import Refused
from operators.batch import KEY_GROUPS, group_index
from records.enriched import locate
from settings import Search
from sinks import elasticsearch
from sinks.elasticsearch import Cluster, ElasticsearchSink, Rejected, Sending
from sinks.errors import Limit, no_limit

log = logging.getLogger(__name__)

START_SECONDS = 5.0
"""Timeout of a request at the start. A cluster that does not answer is waited for while the flow runs."""


def connect(
    settings: Search, write: Callable[[list[Refused]], None], limit: Limit = no_limit, *, statistics: bool = False
) -> ElasticsearchSink | None:
    """The branch's sink; None if the branch is off.

    Args:
        settings: The branch's.
        write: Writes dead letters, and returns when they are safe.
        limit: Stops the flow at too many of them.
        statistics: Whether there are statistics to be indexed.

    Raises:
        StartupError: there is no Elasticsearch, or it refuses us. One that does not answer is waited for while the flow
            runs.
    """
    if not settings.hosts:
        log.info("ELASTICSEARCH_URL is not set: nothing is written to Elasticsearch")
        return None
    # Not at the top: it loads the client library.
    from sinks.elasticsearch.readiness import Denied, Elsewhere, NotYet, Untrusted, prepare  # noqa: PLC0415

    cluster = _cluster(settings)
    hosts = re.sub("//[^/@,]*@", "//", ",".join(settings.hosts))
    needed = templates(settings, statistics=statistics)
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
        keep_unanswered=process.has_recovery_store(),
        lanes=len(KEY_GROUPS),
        lane_of=group_index,
        stopping=process.stopping,
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
