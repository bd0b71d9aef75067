"""Elasticsearch's bulk protocol, without a server."""

from typing import Any

import pytest

from sinks.elasticsearch.bulk import Document, Refused, Rejection, Result, operation, sort, source


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
    assert source(lines) == (document.id, document.body)


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
            Result(1, 0, [], [0, 2], "503 unavailable_shards_exception"),
        ),
        ([item(403, "cluster_block_exception")], Result(0, 0, [], [0], "403 cluster_block_exception")),
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
        (
            [item(400, "illegal_argument_exception")],
            Result(0, 0, [Rejection(0, "illegal_argument_exception", "why")], []),
        ),
        ([item(500, "internal")], Result(0, 0, [], [0], "500 internal")),
    ],
)
def test_sort(items: list[dict[str, Any]], result: Result) -> None:
    errors = any(next(iter(one.values()))["status"] >= 300 for one in items)
    assert sort({"errors": errors, "items": items}, len(items)) == result
    assert result.acknowledged + result.stale + len(result.rejected) + len(result.retryable) == len(items)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_document_will_pass_is_refused(status: int) -> None:
    with pytest.raises(Refused, match=f"{status} security_exception: why"):
        sort({"errors": True, "items": [item(201), item(status, "security_exception")]}, 2)


@pytest.mark.parametrize("answer", [{}, {"errors": False, "items": []}, {"errors": False, "items": [item(201)] * 3}])
def test_another_number_of_items_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="items to 2 documents"):
        sort(answer, 2)
