"""Bulk requests: the outcome of each item, refusals of the whole request, and filtered answers."""

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.servers.embedded.elasticsearch.contract import (
    BAD_NAME,
    CONFLICT,
    ILLEGAL,
    INVALID,
    MALFORMED,
    MISSING,
    NO_JSON,
    Json,
    bulk,
    count,
    lines,
    outcomes,
    refusal,
    write,
)

MAPPINGS = {"dynamic": "strict", "properties": {"k": {"type": "byte"}}}


def external(document: str, version: int) -> Json:
    return {"_id": document, "version": version, "version_type": "external_gte"}


def test_the_outcome_of_each_item(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings=MAPPINGS)
    good, bad = {"k": 1}, {"k": "x"}
    table: list[tuple[Json, Json, Any, int | None]] = [
        ({"index": {"_id": "1"}}, good, 201, 1),
        ({"index": {"_id": "1"}}, good, 200, 2),
        ({"create": {"_id": "1"}}, good, (409, CONFLICT), None),
        ({"create": {"_id": "1"}}, bad, (400, MALFORMED), None),
        ({"create": {"_id": "2"}}, good, 201, 1),
        ({"index": external("1", 5)}, good, 200, 5),
        ({"index": external("1", 5)}, good, 200, 5),
        ({"index": external("1", 4)}, good, (409, CONFLICT), None),
        ({"index": external("1", 4)}, bad, (400, MALFORMED), None),
        ({"index": external("1", 7)}, good, 200, 7),
        ({"index": {"_id": "1"}}, good, 200, 8),
        ({"index": external("zero", 0)}, good, 201, 0),
        ({"index": {"_id": ""}}, good, (400, ILLEGAL), None),
        ({"index": {"_id": "1", "_index": f"{index}-Bad"}}, good, (400, BAD_NAME), None),
        ({"index": {"_id": "1", "_index": ""}}, good, (400, BAD_NAME), None),
        ({"index": {"_id": "1", "_index": "_x"}}, good, (400, BAD_NAME), None),
        ({"index": {"_id": "1", "_index": f"{index}*"}}, good, (400, BAD_NAME), None),
    ]
    answer = bulk(es, index, lines(*(line for action, document, *_ in table for line in (action, document))))
    items = [item for action in answer["items"] for item in action.values()]
    assert answer["errors"] is True
    assert outcomes(answer) == [outcome for _, _, outcome, _ in table]
    assert [item.get("_version") for item in items] == [version for *_, version in table]
    assert [next(iter(action)) for action in answer["items"]] == [next(iter(action)) for action, *_ in table]
    results = {(item["status"], item["result"]) for item in items if "result" in item}
    assert results == {(201, "created"), (200, "updated")}
    assert es.get(index=index, id="1")["_version"] == 8


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"create": {"_id": "1"}}, "document already exists (current version [5])"),
        ({"index": external("1", 4)}, "current version [5] is higher than the one provided [4]"),
    ],
)
def test_the_reason_of_a_conflict(es: Elasticsearch, index: str, action: Json, reason: str) -> None:
    (_, item) = bulk(es, index, lines({"index": external("1", 5)}, {}, action, {}))["items"]
    assert next(iter(item.values()))["error"]["reason"] == f"[1]: version conflict, {reason}"


def test_the_reason_of_a_malformed_value(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings=MAPPINGS)
    (item,) = bulk(es, index, lines({"index": {"_id": "7"}}, {"k": 300}))["items"]
    error = item["index"]["error"]
    said = "failed to parse field [k] of type [byte] in document with id '7'. Preview of field's value: '300'"
    assert error["reason"].partition("] ")[2] == said
    assert error["caused_by"] == {"type": ILLEGAL, "reason": "Value [300] is out of range for a byte"}


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (lines({"index": {"_id": "1"}}), (400, INVALID)),
        (lines(b"bad", {}), (400, NO_JSON)),
        (lines([], {}), (400, ILLEGAL)),
        (lines({}, {}), (400, ILLEGAL)),
        (lines({"nonsense": {}}, {}), (400, ILLEGAL)),
        (lines({"index": "x"}, {}), (400, ILLEGAL)),
        (lines({"index": {"nonsense": 1}}, {}), (400, ILLEGAL)),
        (lines({"create": external("1", 1)}, {}), (400, INVALID)),
        (lines({"index": external("1", -5)}, {}), (400, INVALID)),
        (lines({"index": external("1", 2**63)}, {}), (400, NO_JSON)),
        (lines({"index": {"_id": "x" * 513}}, {}), (400, INVALID)),
        (lines({"index": {"_id": "\u00e9" * 257}}, {}), (400, INVALID)),
    ],
)
def test_a_bulk_that_is_refused_as_a_whole(
    es: Elasticsearch, index: str, bad: bytes, expected: tuple[int, str]
) -> None:
    assert refusal(lambda: bulk(es, index, bad)) == expected
    if bad.count(b"\n") > 1:
        assert refusal(lambda: bulk(es, index, lines({"index": {"_id": "good"}}, {}) + bad)) == expected
    assert refusal(lambda: es.count(index=index)) == (404, MISSING), "nothing of it is carried out"


def test_a_bulk_without_an_index(es: Elasticsearch) -> None:
    assert refusal(lambda: bulk(es, None, lines({"index": {"_id": "1"}}, {}))) == (400, INVALID)


FAILED = {"type": MALFORMED}
KNOWN = {"type": CONFLICT}


@pytest.mark.parametrize(
    ("filter_path", "expected"),
    [
        ("errors", {"errors": True}),
        (
            "items.*.status",
            {"items": [{"index": {"status": 201}}, {"index": {"status": 400}}, {"create": {"status": 409}}]},
        ),
        ("items.*.error.type", {"items": [{"index": {"error": FAILED}}, {"create": {"error": KNOWN}}]}),
        (
            "errors,items.*.status,items.*.error.type",
            {
                "errors": True,
                "items": [
                    {"index": {"status": 201}},
                    {"index": {"status": 400, "error": FAILED}},
                    {"create": {"status": 409, "error": KNOWN}},
                ],
            },
        ),
        (
            "items.*.error.caused_by.reason",
            {"items": [{"index": {"error": {"caused_by": {"reason": 'For input string: "x"'}}}}]},
        ),
        ("errors,items.index.error.type", {"errors": True, "items": [{"index": {"error": FAILED}}]}),
        ("nothing", {}),
        ("items.*.nothing", {}),
    ],
)
def test_parts_of_an_answer(es: Elasticsearch, index: str, filter_path: str, expected: Json) -> None:
    es.indices.create(index=index, mappings=MAPPINGS)
    body = lines(
        *({"index": {"_id": "1"}}, {"k": 1}, {"index": {"_id": "2"}}, {"k": "x"}, {"create": {"_id": "1"}}, {"k": 1})
    )
    assert bulk(es, index, body, filter_path=filter_path) == expected


def test_documents_are_found(es: Elasticsearch, index: str) -> None:
    assert write(es, f"{index}-a", {}, {}, {}) + write(es, f"{index}-b", {}) == [201] * 4
    counts = {f"{index}-a": 3, f"{index}-*": 4, f"{index}-a,{index}-b": 4, f"{index}-none*": 0}
    assert {expression: count(es, expression) for expression in counts} == counts
    found = es.search(index=f"{index}-*", query={"match_all": {}}, size=10)["hits"]
    hits = {(hit["_index"], hit["_id"], str(hit["_source"])) for hit in found["hits"]}
    assert hits == {(f"{index}-{name}", id_, "{}") for name, id_ in (("a", "0"), ("a", "1"), ("a", "2"), ("b", "0"))}
    assert found["total"] == {"value": 4, "relation": "eq"}
    assert len(es.search(index=f"{index}-a", size=2)["hits"]["hits"]) == 2
    missing = es.options(ignore_status=404).get(index=f"{index}-a", id="9")
    assert missing == {"_index": f"{index}-a", "_id": "9", "found": False}
    assert refusal(lambda: es.count(index=f"{index}-a,{index}-none")) == (404, MISSING)
    assert refusal(lambda: es.search(index=f"{index}-none")) == (404, MISSING)
    assert refusal(lambda: es.get(index=f"{index}-none", id="1")) == (404, MISSING)
    assert refusal(lambda: es.indices.refresh(index=f"{index}-none")) == (404, MISSING)


def test_no_more_hits_are_counted_than_the_limit(es: Elasticsearch, index: str) -> None:
    assert write(es, index, *[{}] * 10_001) == [201] * 10_001
    assert count(es, index) == 10_001
    assert es.search(index=index, size=0)["hits"]["total"] == {"value": 10_000, "relation": "gte"}
