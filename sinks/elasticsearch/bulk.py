"""Elasticsearch's bulk request: documents to its body, and its answer to an outcome for each document. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from ..errors import Refused
from .verdict import judge

_quote = msgspec.json.Encoder().encode


class Document(NamedTuple):
    """A document to be indexed."""

    target: str
    """Its index, alias or data stream."""
    id: str
    body: bytes
    """JSON object, without line breaks."""
    version: int | None = None
    """An external version: an older one never replaces a newer one, in whatever order they arrive."""


OpType = Literal["index", "create"]
"""``create`` refuses an id that exists. A data stream takes nothing else."""


class Rejected(NamedTuple):
    """A document that Elasticsearch will never take, or that cannot be sent to it."""

    target: str
    id: str
    body: bytes
    error: str
    """Elasticsearch's type of error, as ``document_parsing_exception``; or the class of ours."""
    reason: str


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


def operations(documents: Sequence[Document], op_type: OpType) -> tuple[list[bytes], list[Rejected]]:
    """The operations that index documents, and the documents that cannot be made into one."""
    try:
        return [operation(document, op_type) for document in documents], []
    except Exception:  # whatever one of them is
        return _one_by_one(documents, op_type)


def _one_by_one(documents: Iterable[Document], op_type: OpType) -> tuple[list[bytes], list[Rejected]]:
    made, rejected = list[bytes](), list[Rejected]()
    for document in documents:
        try:
            made.append(operation(document, op_type))
        except Exception as error:
            target, document_id, body = _text(document.target), _text(document.id), document.body
            kept = body if isinstance(body, bytes) else _text(body).encode()
            rejected.append(Rejected(target, document_id, kept, type(error).__name__, str(error)))
    return made, rejected


def _text(value: object) -> str:
    """A value as text that can be encoded, whatever it is."""
    return str(value).encode(errors="backslashreplace").decode()


def source(operation: bytes) -> tuple[str, str, bytes]:
    """Target, id and body of a document, read back from what ``operation`` made of it."""
    action, body = operation.split(b"\n", 1)
    (meta,) = msgspec.json.decode(action).values()
    return meta["_index"], meta["_id"], body[:-1]


def as_create(operation: bytes) -> bytes:
    """The operation that creates the same document, without a version: ``create`` takes none."""
    if operation.startswith(b'{"create"'):
        return operation
    action, body = operation.split(b"\n", 1)
    meta = msgspec.json.decode(action)["index"]
    return b"%s%s}}\n%s" % (_action("create", meta["_index"]), _quote(meta["_id"]), body)


class Rejection(NamedTuple):
    """A document of a request that Elasticsearch will never take."""

    at: int
    """Its place in the request."""
    error: str
    reason: str


class Result(NamedTuple):
    """The outcome of one request. Each of its documents is counted in exactly one field."""

    acknowledged: int
    stale: int
    """The index had a newer version, or with ``create`` the document itself."""
    rejected: list[Rejection]
    retryable: list[int]
    """Places of the documents that are to be sent again."""
    why: str = ""
    """The reason of the first of them."""


FILTER_PATH = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
"""The part of the answer that is read: a tenth of it."""


def broken(operations: Sequence[bytes], body: bytes) -> list[Rejection]:
    """The operations of ``body`` with more than two lines: Elasticsearch would misread all that come after them.

    In the usual case one count over the whole body, instead of one for each document.
    """
    if body.count(b"\n") == 2 * len(operations):
        return []
    lines = [operation.count(b"\n") for operation in operations]
    return [Rejection(at, "LineBreak", "the body has a line break") for at, count in enumerate(lines) if count != 2]


def classify(answer: Mapping[str, Any], count: int) -> Result:
    """The outcome of a request of ``count`` documents, by its answer.

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
        kind, reason = describe(item.get("error"))
        verdict = judge(status, kind, reason)
        if verdict == "document":
            rejected.append(Rejection(at, kind, reason))
        elif verdict == "stale":
            stale += 1
        elif verdict == "stop":
            raise Refused(f"{status} {kind}: {reason}")
        else:
            retryable.append(at)
            why = why or one_line(f"{status} {kind}: {reason}")
    return Result(count - stale - len(rejected) - len(retryable), stale, rejected, retryable, why)


def describe(error: Any) -> tuple[str, str]:
    """Type and reason of an error of Elasticsearch's, or of a proxy's before it."""
    if not isinstance(error, Mapping):
        return "", str(error or "no reason given")
    reason, cause = error.get("reason") or "", (error.get("caused_by") or {}).get("reason") or ""
    return error.get("type") or "", reason if cause in reason else f"{reason}: {cause}"


def one_line(text: str, most: int = 300) -> str:
    """A text of any kind as a part of a line of the log."""
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[:most]}..."
