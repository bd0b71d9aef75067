"""Elasticsearch's bulk request: documents to its body, and its answer to an outcome for each document.

Nothing here talks to a server.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

_quote = msgspec.json.Encoder().encode


class Document(NamedTuple):
    """A document to be indexed."""

    target: str
    """Its index, alias or data stream."""
    id: str
    body: bytes
    """JSON object, without line breaks."""
    version: int | None = None
    """An external version: an older one never replaces a newer one, whatever order they arrive in."""


OpType = Literal["index", "create"]
"""``create`` refuses an id that exists; it is all that a data stream takes."""


def operation(document: Document, op_type: OpType = "index") -> bytes:
    """The two lines of a bulk body that index a document."""
    target, document_id, body, version = document
    action = _action(op_type, target)
    # Most ids are numbers or the like, and need no JSON encoder.
    quoted = b'"%s"' % document_id.encode() if document_id.isalnum() else _quote(document_id)
    if version is None:
        return b"%s%s}}\n%s\n" % (action, quoted, body)
    return b'%s%s,"version":%d,"version_type":"external_gte"}}\n%s\n' % (action, quoted, version, body)


@lru_cache(maxsize=1024)
def _action(op_type: OpType, target: str) -> bytes:
    return b'{"%s":{"_index":%s,"_id":' % (op_type.encode(), _quote(target))


def source(operation: bytes) -> tuple[str, bytes]:
    """The id and the body of a document, read back from what ``operation`` made of it."""
    action, body, _ = operation.split(b"\n", 2)
    (target,) = msgspec.json.decode(action).values()
    return target["_id"], body


class Rejection(NamedTuple):
    """A document that Elasticsearch will never take."""

    at: int
    """Its place in the request."""
    error: str
    """Elasticsearch's type of error, as ``document_parsing_exception``."""
    reason: str


class Result(NamedTuple):
    """What became of the documents of one request. Each is in exactly one of these."""

    acknowledged: int
    stale: int
    """A newer version, or with ``create`` the document itself, was there."""
    rejected: list[Rejection]
    retryable: list[int]
    """Places of those to be sent again."""
    why: str = ""
    """Why, of one of them."""


class Refused(Exception):
    """The cluster refuses what every document needs: trying again is of no use before somebody acts."""


FILTER_PATH = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
"""The part of the answer that is read: a tenth of it."""

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
# What is blocked (by hand, or because a disk is full) is open again one day.
_AGAIN_TYPES = frozenset({"es_rejected_execution_exception", "cluster_block_exception", "unavailable_shards_exception"})


def sort(answer: Mapping[str, Any], count: int) -> Result:
    """Sort the answer to a request of ``count`` documents.

    Raises:
        Refused: documents may not be written, or their index may not be made.
        ValueError: this is no answer to such a request.
    """
    items = answer.get("items", ())
    if len(items) != count:
        raise ValueError(f"an answer of {len(items)} items to {count} documents")
    if answer.get("errors") is False:
        return Result(count, 0, [], [])
    stale, rejected, retryable, why = 0, list[Rejection](), list[int](), ""
    for at, outcome in enumerate(items):
        (item,) = outcome.values()
        status = item["status"]
        if status < 300:
            continue
        error = item.get("error", {})
        kind, reason = error.get("type", ""), _reason(error)
        if status == 409:
            stale += 1
        elif status in _AGAIN or kind in _AGAIN_TYPES:
            retryable.append(at)
            why = f"{status} {kind}"
        elif status in {401, 403, 404}:
            raise Refused(f"{status} {kind}: {reason}")
        else:
            rejected.append(Rejection(at, kind, reason))
    return Result(count - stale - len(rejected) - len(retryable), stale, rejected, retryable, why)


def _reason(error: Mapping[str, Any]) -> str:
    reason, cause = error.get("reason") or "", error.get("caused_by", {}).get("reason") or ""
    return reason if cause in reason else f"{reason}: {cause}"
