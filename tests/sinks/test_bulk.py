"""Elasticsearch's bulk protocol, without a server."""

from typing import Any

import pytest

from sinks.elasticsearch import Refused
from sinks.elasticsearch.bulk import (
    Document,
    OpType,
    Rejected,
    Rejection,
    Result,
    as_create,
    broken,
    classify,
    operation,
    operations,
    source,
)


@pytest.mark.parametrize(
    ("document", "op_type", "lines"),
    [
        (Document("i", "1", b'{"a":1}'), "index", b'{"index":{"_index":"i","_id":"1"}}\n{"a":1}\n'),
        (Document("i", "1", b"{}"), "create", b'{"create":{"_index":"i","_id":"1"}}\n{}\n'),
        (Document("i", 'a"\n\\ü', b"{}"), "index", '{"index":{"_index":"i","_id":"a\\"\\n\\\\ü"}}\n{}\n'.encode()),
        (
            Document("i", "1", b"{}", 7),
            "index",
            b'{"index":{"_index":"i","_id":"1","version":7,"version_type":"external_gte"}}\n{}\n',
        ),
    ],
)
def test_operation(document: Document, op_type: Any, lines: bytes) -> None:
    assert operation(document, op_type) == lines
    assert source(lines) == document[:3]


def item(status: int, kind: str | None = None, reason: str = "why", cause: str | None = None) -> dict[str, Any]:
    if kind is None:
        return {"index": {"status": status}}
    error: dict[str, Any] = {"type": kind, "reason": reason}
    if cause:
        error["caused_by"] = {"reason": cause}
    return {"index": {"status": status, "error": error}}


MALFORMED = "document_parsing_exception"


@pytest.mark.parametrize(
    ("items", "result"),
    [
        ([item(201), item(200)], Result(2, 0, [], [])),
        ([item(201), item(409, "version_conflict_engine_exception")], Result(1, 1, [], [])),
        (
            [item(429, "es_rejected_execution_exception"), item(201), item(503, "unavailable_shards_exception")],
            Result(1, 0, [], [0, 2], "429 es_rejected_execution_exception: why"),
        ),
        ([item(403, "cluster_block_exception")], Result(0, 0, [], [0], "403 cluster_block_exception: why")),
        ([item(201), item(400, MALFORMED)], Result(1, 0, [Rejection(1, MALFORMED, "why")], [])),
        ([item(400, MALFORMED, "why", "because")], Result(0, 0, [Rejection(0, MALFORMED, "why: because")], [])),
        (
            [item(400, MALFORMED, "why, because", "because")],
            Result(0, 0, [Rejection(0, MALFORMED, "why, because")], []),
        ),
        (
            [item(400, "strict_dynamic_mapping_exception")],
            Result(0, 0, [Rejection(0, "strict_dynamic_mapping_exception", "why")], []),
        ),
        ([item(400, "illegal_argument_exception")], Result(0, 0, [], [0], "400 illegal_argument_exception: why")),
        ([item(500, "internal", "in\n two  lines")], Result(0, 0, [], [0], "500 internal: in two lines")),
    ],
)
def test_classify(items: list[dict[str, Any]], result: Result) -> None:
    errors = any(next(iter(one.values()))["status"] >= 300 for one in items)
    assert classify({"errors": errors, "items": items}, len(items)) == result
    assert result.acknowledged + result.stale + len(result.rejected) + len(result.retryable) == len(items)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "security_exception"), (403, "security_exception"), (404, "index_not_found_exception")]
)
def test_what_no_document_will_pass_is_refused(status: int, kind: str) -> None:
    with pytest.raises(Refused, match=f"{status} {kind}: why"):
        classify({"errors": True, "items": [item(201), item(status, kind)]}, 2)


@pytest.mark.parametrize("answer", [{}, {"errors": False, "items": []}, {"errors": False, "items": [item(201)] * 3}])
def test_another_number_of_items_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="items to 2 documents"):
        classify(answer, 2)


HOSTILE: list[tuple[Any, str]] = [
    (Document("i", 7, b"{}"), "AttributeError"),  # type: ignore[arg-type]
    (Document("i", None, b"{}"), "AttributeError"),  # type: ignore[arg-type]
    (Document("i", "\ud800", b"{}"), "UnicodeEncodeError"),
    (Document("\ud800", "1", b"{}"), "UnicodeEncodeError"),
    (Document(["i"], "1", b"{}"), "TypeError"),  # type: ignore[arg-type]
    (Document("i", "1", "{\ud800}"), "TypeError"),  # type: ignore[arg-type]
    (Document("i", "1", None), "TypeError"),  # type: ignore[arg-type]
    (Document("i", "1", b"{}", "x"), "TypeError"),  # type: ignore[arg-type]
]
"""Documents of which no operation can be made, and the error."""


@pytest.mark.parametrize(("document", "error"), HOSTILE)
def test_a_document_of_which_no_operation_can_be_made_is_rejected_alone(document: Document, error: str) -> None:
    good = [Document("i", str(number), b"{}") for number in range(4)]
    made, (rejected,) = operations([*good[:2], document, *good[2:]], "index")
    assert made == [operation(one) for one in good]
    assert rejected.error == error
    assert rejected.reason
    assert isinstance(rejected.body, bytes)
    for text in rejected[:2]:
        assert text.encode()


def test_what_cannot_be_sent_keeps_what_it_holds() -> None:
    _, (rejected,) = operations([Document("i", "\ud800", b'{"a":1}')], "index")
    assert rejected == Rejected("i", "\\ud800", b'{"a":1}', "UnicodeEncodeError", rejected.reason)


def test_a_body_with_a_line_break_is_found() -> None:
    lines = [operation(Document("i", "1", body)) for body in (b"{}", b'{"a":\n1}', b"{}", b"{}\n")]
    assert [rejection.at for rejection in broken(lines, b"".join(lines))] == [1, 3]
    assert broken(lines[:1], lines[0]) == []


@pytest.mark.parametrize(
    ("document", "op_type"),
    [
        (Document("i", "1", b'{"a":1}'), "index"),
        (Document("i", 'a"\n\\ü', b"{}", 7), "index"),
        (Document("i", "1", b"{}"), "create"),
    ],
)
def test_as_create(document: Document, op_type: OpType) -> None:
    assert as_create(operation(document, op_type)) == operation(document._replace(version=None), "create")
