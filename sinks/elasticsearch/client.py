"""Requests to Elasticsearch: one bulk, and the index templates."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.serializer import OrjsonSerializer

from sinks.elasticsearch.bulk import FILTER_PATH, Refused, Rejection, Result, sort

log = logging.getLogger(__name__)

REQUEST_SECONDS = 60.0
"""The first bulk into a new index may take seconds on a busy cluster."""

_REFUSED = frozenset({401, 403})
_TOO_LARGE = 413


class _Serializer(OrjsonSerializer):
    mimetype = "application/vnd.elasticsearch+json"


@dataclass(frozen=True)
class Cluster:
    """Where Elasticsearch is, and who we are to it. The client is of the 8 series, which serves clusters of 8 and 9."""

    hosts: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """More arguments of the client: ``api_key``, ``basic_auth``, ``ca_certs``, ``http_compress``."""

    def connect(self) -> Elasticsearch:
        """Make a client. It connects with its first request, and retries nothing by itself: we know what to send again.

        Raises:
            ValueError: hosts or options are not usable.
        """
        return Elasticsearch(
            list(self.hosts),
            serializers={_Serializer.mimetype: _Serializer()},
            request_timeout=REQUEST_SECONDS,
            max_retries=0,
            **self.options,
        )


def send(client: Elasticsearch, operations: Sequence[bytes]) -> Result:
    """Send operations as one bulk request.

    Raises:
        Refused: trying again is of no use.
    """
    headers = {"accept": "application/json", "content-type": "application/x-ndjson"}
    try:
        answer = client.perform_request(
            "POST", "/_bulk", params={"filter_path": FILTER_PATH}, headers=headers, body=b"".join(operations)
        )
    except ApiError as error:
        return _whole(client, operations, error)
    except TransportError as error:
        return Result(0, 0, [], list(range(len(operations))), f"{type(error).__name__}: {error.message}")
    return sort(answer.body, len(operations))


def _whole(client: Elasticsearch, operations: Sequence[bytes], error: ApiError) -> Result:
    """The result of a request that was answered with an error as a whole."""
    if error.status_code in _REFUSED:
        raise Refused(f"{error.status_code} {_describe(error)}") from None
    if error.status_code == _TOO_LARGE and len(operations) > 1:
        middle = len(operations) // 2
        return _joined(send(client, operations[:middle]), send(client, operations[middle:]), middle)
    if error.status_code == _TOO_LARGE:
        return Result(0, 0, [Rejection(0, "http_content_too_long", "larger than http.max_content_length")], [])
    if error.status_code < 500 and error.status_code not in {408, 429}:
        raise Refused(f"{error.status_code} {_describe(error)}") from None
    return Result(0, 0, [], list(range(len(operations))), f"{error.status_code} {_describe(error)}")


def _joined(first: Result, second: Result, at: int) -> Result:
    return Result(
        first.acknowledged + second.acknowledged,
        first.stale + second.stale,
        first.rejected + [rejection._replace(at=at + rejection.at) for rejection in second.rejected],
        first.retryable + [at + place for place in second.retryable],
        first.why or second.why,
    )


def _describe(error: ApiError) -> str:
    body = error.body
    cause = body.get("error") if isinstance(body, dict) else body
    return f"{cause.get('type')}: {cause.get('reason')}" if isinstance(cause, dict) else str(cause or error.message)


@dataclass(frozen=True)
class Template:
    """A composable index template."""

    name: str
    body: Mapping[str, Any] = field(hash=False)
    """With a ``version``: a number that rises with every change."""

    def __str__(self) -> str:
        """The request that puts it, for Kibana's console, or curl."""
        return f"PUT /_index_template/{self.name}\n{json.dumps(self.body, indent=2)}"


def put(client: Elasticsearch, template: Template) -> bool:
    """Put a template, unless the cluster has it as new or newer.

    Returns:
        Whether it was put.

    Raises:
        ApiError, TransportError: as the client.
    """
    found = client.options(ignore_status=404).indices.get_index_template(name=template.name)
    have = [entry["index_template"].get("version", 0) for entry in found.get("index_templates", [])]
    if have and have[0] >= template.body["version"]:
        return False
    client.indices.put_index_template(name=template.name, **template.body)
    log.info("put index template %s, version %d", template.name, template.body["version"])
    return True
