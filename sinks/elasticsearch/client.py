"""Requests to Elasticsearch by its own client: one bulk, and the index templates."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, BadRequestError, Elasticsearch, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from ..errors import Refused
from .bulk import FILTER_PATH, Rejection, Result, broken, classify, describe, one_line
from .cluster import Template
from .verdict import judge

log = logging.getLogger(__name__)

REQUEST_SECONDS = 60.0
"""The first bulk into a new index may take seconds on a busy cluster."""

_TOO_LARGE = 413
_SAME_PRIORITY = re.compile(r"existing templates \[(.*?)\] with patterns .* that have the same priority", re.DOTALL)


class _Serializer(OrjsonSerializer):
    mimetype = "application/vnd.elasticsearch+json"


def connect(hosts: Sequence[str], options: Mapping[str, Any]) -> Elasticsearch:
    """Make the client of a ``Cluster``."""
    return Elasticsearch(
        list(hosts),
        serializers={_Serializer.mimetype: _Serializer()},
        request_timeout=REQUEST_SECONDS,
        max_retries=0,
        **options,
    )


def send(client: Elasticsearch, operations: Sequence[bytes]) -> Result:
    """Send operations as one bulk request.

    Raises:
        Refused: trying again is of no use.
    """
    body = b"".join(operations)
    if unsendable := broken(operations, body):
        return _without(client, operations, unsendable)
    headers = {"accept": "application/json", "content-type": "application/x-ndjson"}
    try:
        answer = client.perform_request(
            "POST", "/_bulk", params={"filter_path": FILTER_PATH}, headers=headers, body=body
        )
    except UnsupportedProductError as error:
        raise Refused(str(error.message)) from None
    except ApiError as error:
        return _whole(client, operations, error)
    except TransportError as error:
        return _again(operations, f"{type(error).__name__}: {error.message}")
    try:
        return classify(answer.body, len(operations))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return _again(operations, f"an answer that is none of Elasticsearch's: {type(error).__name__}: {error}")


def _again(operations: Sequence[bytes], why: str) -> Result:
    return Result(0, 0, [], list(range(len(operations))), one_line(why))


def _without(client: Elasticsearch, operations: Sequence[bytes], rejected: list[Rejection]) -> Result:
    """Send the request without the documents that are rejected; the result of both."""
    left = sorted(set(range(len(operations))) - {rejection.at for rejection in rejected})
    result = send(client, [operations[at] for at in left]) if left else Result(0, 0, [], [])
    return result._replace(
        rejected=rejected + [rejection._replace(at=left[rejection.at]) for rejection in result.rejected],
        retryable=[left[at] for at in result.retryable],
    )


def _whole(client: Elasticsearch, operations: Sequence[bytes], error: ApiError) -> Result:
    """The result of a request that was answered with an error as a whole."""
    status = error.status_code
    kind, reason = describe(error.body.get("error") if isinstance(error.body, dict) else error.body)
    verdict = "document" if status == _TOO_LARGE else judge(status, kind, reason)
    if verdict == "stop":
        raise Refused(one_line(f"{status} {kind}: {reason}"))
    if verdict != "document":
        return _again(operations, f"{status} {kind}: {reason}")
    if len(operations) > 1:  # halve it to find the document
        middle = len(operations) // 2
        return _joined(send(client, operations[:middle]), send(client, operations[middle:]), middle)
    if status == _TOO_LARGE:
        kind, reason = "http_content_too_long", "larger than http.max_content_length"
    return Result(0, 0, [Rejection(0, kind, reason)], [])


def _joined(first: Result, second: Result, at: int) -> Result:
    return Result(
        first.acknowledged + second.acknowledged,
        first.stale + second.stale,
        first.rejected + [rejection._replace(at=at + rejection.at) for rejection in second.rejected],
        first.retryable + [at + place for place in second.retryable],
        first.why or second.why,
    )


def put(client: Elasticsearch, template: Template) -> bool:
    """Put a template, unless the cluster has a newer one of that name, or this version made by the same settings.

    If another template of the same priority matches some of the same names, it gets the next of its ``priorities``.

    Returns:
        Whether it was put.

    Raises:
        Refused: other templates have all of its priorities.
        ApiError, TransportError: as the client.
    """
    found = client.options(ignore_status=404).indices.get_index_template(name=template.name)
    for entry in found.get("index_templates", []):
        there, ours = entry["index_template"], template.body
        if _order(there) > _order(ours) or (_order(there), there.get("_meta")) == (_order(ours), ours.get("_meta")):
            return False
    first, taken = template.body.get("priority", 0), ""
    for priority in range(first, first + template.priorities):
        try:
            client.indices.put_index_template(name=template.name, **{**template.body, "priority": priority})
        except BadRequestError as error:
            rival = _SAME_PRIORITY.search(str(error))
            if not rival:
                raise
            taken = f"{rival[1]} has the same priority {priority} and matches names of the same indices"
            log.info("index template %s: %s", template.name, taken)
        else:
            log.info("put index template %s, version %d", template.name, template.body["version"])
            return True
    raise Refused(f"index template {template.name}: {taken}, delete it or give it another priority")


def _order(body: Mapping[str, Any]) -> int:
    return int(body.get("version") or 0)
