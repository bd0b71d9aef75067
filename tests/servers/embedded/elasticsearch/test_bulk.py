"""Bulks: what becomes of their items, what is refused as a whole, and parts of their answers."""

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
    lines,
    outcomes,
    refusal,
)


def external(document: str, version: int, kind: str = "external") -> Json:
    return {"_id": document, "version": version, "version_type": kind}


def test_what_becomes_of_writes(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings={"dynamic": "strict", "properties": {"k": {"type": "byte"}}})
    good, bad = {"k": 1}, {"k": "x"}
    table: list[tuple[Json, Json | None, Any, int | None]] = [
        ({"index": {"_id": "1"}}, good, 201, 1),
        ({"index": {"_id": "1"}}, good, 200, 2),
        ({"create": {"_id": "1"}}, good, (409, CONFLICT), None),
        ({"create": {"_id": "1"}}, bad, (400, MALFORMED), None),
        ({"delete": {"_id": "1"}}, None, 200, 3),
        ({"delete": {"_id": "1"}}, None, 404, 4),
        ({"create": {"_id": "1"}}, good, 201, 5),
        ({"index": external("1", 5)}, good, (409, CONFLICT), None),
        ({"index": external("1", 5)}, bad, (400, MALFORMED), None),
        ({"index": external("1", 5, "external_gte")}, good, 200, 5),
        ({"index": external("1", 4, "external_gte")}, good, (409, CONFLICT), None),
        ({"index": external("1", 7, "external_gt")}, good, 200, 7),
        ({"delete": external("1", 7)}, None, (409, CONFLICT), None),
        ({"delete": external("1", 8)}, None, 200, 8),
        ({"index": external("1", 8)}, good, (409, CONFLICT), None),
        ({"index": external("1", 9)}, good, 201, 9),
        ({"index": external("zero", 0)}, good, 201, 0),
        ({"index": external("zero", 0)}, good, (409, CONFLICT), None),
        ({"delete": external("never", 3)}, None, 404, 3),
        ({"index": {"_id": "routed", "routing": "x"}}, good, 201, 1),
        ({"index": {"_id": 5}}, good, 201, 1),
        ({"index": {"_id": True}}, good, 201, 1),
        ({"index": {"_id": None}}, good, 201, 1),
        ({"index": {}}, good, 201, 1),
        ({"index": {"_id": ""}}, good, (400, ILLEGAL), None),
        ({"index": {"_index": f"{index}-Bad"}}, good, (400, BAD_NAME), None),
        ({"index": {"_index": ""}}, good, (400, BAD_NAME), None),
        ({"index": {"_index": "_x"}}, good, (400, BAD_NAME), None),
        ({"index": {"_index": f"{index}*"}}, good, (400, BAD_NAME), None),
        ({"index": {"require_alias": True}}, good, (404, MISSING), None),
    ]
    body = lines(*(line for action, document, *_ in table for line in (action, document) if line is not None))
    answer = bulk(es, index, body)
    items = [item for action in answer["items"] for item in action.values()]
    assert answer["errors"] is True
    assert outcomes(answer) == [outcome for _, _, outcome, _ in table]
    assert [item.get("_version") for item in items] == [version for *_, version in table]
    assert [next(iter(action)) for action in answer["items"]] == [next(iter(action)) for action, *_ in table]
    assert items[20]["_id"] == "5"
    assert len({item["_id"] for item in items[22:24]}) == 2
    results = {(item["status"], item["result"]) for item in items if "result" in item}
    assert results == {(201, "created"), (200, "updated"), (200, "deleted"), (404, "not_found")}


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"create": {"_id": "1"}}, "[1]: version conflict, document already exists (current version [5])"),
        (
            {"index": external("1", 5)},
            "[1]: version conflict, current version [5] is higher or equal to the one provided [5]",
        ),
        (
            {"index": external("1", 4, "external_gte")},
            "[1]: version conflict, current version [5] is higher than the one provided [4]",
        ),
    ],
)
def test_what_a_conflict_says(es: Elasticsearch, index: str, action: Json, reason: str) -> None:
    es.index(index=index, id="1", document={}, version=5, version_type="external")
    (item,) = bulk(es, index, lines(action, {}))["items"]
    error = next(iter(item.values()))["error"]
    assert error.pop("index_uuid")
    assert error == {"type": CONFLICT, "reason": reason, "shard": "0", "index": index}


def test_what_a_malformed_value_says(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings={"properties": {"stars": {"type": "byte"}}})
    (item,) = bulk(es, index, lines({"index": {"_id": "7"}}, {"stars": 300}))["items"]
    error = item["index"]["error"]
    said = "failed to parse field [stars] of type [byte] in document with id '7'. Preview of field's value: '300'"
    assert error["reason"].partition("] ")[2] == said
    assert error["caused_by"] == {"type": ILLEGAL, "reason": "Value [300] is out of range for a byte"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\n", (400, INVALID)),
        (lines({"index": {"_id": "1"}}), (400, INVALID)),
        (lines(b"bad", {}), (400, NO_JSON)),
        (lines([], {}), (400, ILLEGAL)),
        (lines({}, {}), (400, ILLEGAL)),
        (lines({"nonsense": {}}, {}), (400, ILLEGAL)),
        (lines({"index": "x"}, {}), (400, ILLEGAL)),
        (lines({"index": {"_id": [1]}}, {}), (400, ILLEGAL)),
        (lines({"index": {"nonsense": 1}}, {}), (400, ILLEGAL)),
        (lines({"index": {"_type": "_doc"}}, {}), (400, ILLEGAL)),
        (lines({"index": external("1", 1, "nonsense")}, {}), (400, ILLEGAL)),
        (lines({"create": external("1", 1)}, {}), (400, INVALID)),
        (lines({"index": {"_id": "1", "version": 1}}, {}), (400, INVALID)),
        (lines({"index": external("1", -5)}, {}), (400, INVALID)),
        (lines({"index": {"_id": "1", "version": "x", "version_type": "external"}}, {}), (400, ILLEGAL)),
        (lines({"index": {"_id": "1", "version_type": "external"}}, {}), (400, INVALID)),
        (lines({"index": {"_id": "1", "version": 2**63, "version_type": "external"}}, {}), (400, NO_JSON)),
        (lines({"index": {"version": 1, "version_type": "external"}}, {}), (400, INVALID)),
        (lines({"index": {"_id": "x" * 513}}, {}), (400, INVALID)),
        (lines({"delete": {}}), (400, INVALID)),
    ],
)
def test_bulks_that_are_refused_as_a_whole(
    es: Elasticsearch, index: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert refusal(lambda: bulk(es, index, body)) == expected
    assert not es.indices.exists(index=index)


@pytest.mark.parametrize("bad", [{"nonsense": {}}, {"index": external("1", -5)}, b"bad"])
def test_nothing_of_a_refused_bulk_is_carried_out(es: Elasticsearch, index: str, bad: Any) -> None:
    refusal(lambda: bulk(es, index, lines({"index": {}}, {}, bad, {})))
    assert not es.indices.exists(index=index)


def test_blank_lines_between_actions(es: Elasticsearch, index: str) -> None:
    body = lines(b"", {"index": {"_id": "1"}}, {}, b"", b"", {"delete": {"_id": "1"}}, b"")
    assert outcomes(bulk(es, index, body)) == [201, 200]


def test_bulks_without_an_index(es: Elasticsearch) -> None:
    assert refusal(lambda: bulk(es, None, lines({"index": {"_id": "1"}}, {}))) == (400, INVALID)


@pytest.mark.parametrize(
    ("actions", "expected", "exists"),
    [
        ([{"delete": {"_id": "1"}}], [(404, MISSING)], False),
        ([{"delete": external("1", 3)}], [404], True),
        ([{"delete": {"_id": "1"}}, {"index": {"_id": "2"}}, {}], [404, 201], True),
        ([{"index": {"_id": "2", "require_alias": True}}, {}], [(404, MISSING)], False),
    ],
)
def test_which_writes_make_an_index(
    es: Elasticsearch, index: str, actions: list[Json], expected: list[Any], exists: bool
) -> None:
    assert outcomes(bulk(es, index, lines(*actions))) == expected
    assert es.indices.exists(index=index).body is exists


FAILED = {"type": MALFORMED}
KNOWN = {"type": CONFLICT}


@pytest.mark.parametrize(
    ("filter_path", "expected"),
    [
        ("errors", {"errors": True}),
        (
            "items.*.status",
            {
                "items": [
                    {"index": {"status": 201}},
                    {"index": {"status": 400}},
                    {"create": {"status": 409}},
                    {"delete": {"status": 404}},
                ]
            },
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
                    {"delete": {"status": 404}},
                ],
            },
        ),
        ("errors,items.index.error.type", {"errors": True, "items": [{"index": {"error": FAILED}}]}),
        (
            "items.create,-**.reason,-items.*._*",
            {"items": [{"create": {"status": 409, "error": KNOWN}}]},
        ),
        ("**.error.type", {"items": [{"index": {"error": FAILED}}, {"create": {"error": KNOWN}}]}),
        ("i*.in*.st*us", {"items": [{"index": {"status": 201}}, {"index": {"status": 400}}]}),
        ("errors,-items", {"errors": True}),
        ("-items,-took", {"errors": True}),
        ("nothing", {}),
        ("items.*.nothing", {}),
    ],
)
def test_parts_of_an_answer(es: Elasticsearch, index: str, filter_path: str, expected: Json) -> None:
    es.indices.create(index=index, mappings={"properties": {"k": {"type": "byte"}}})
    body = lines(
        *({"index": {"_id": "1"}}, {"k": 1}, {"index": {"_id": "2"}}, {"k": "x"}),
        *({"create": {"_id": "1"}}, {"k": 1}, {"delete": {"_id": "9"}}),
    )
    found = bulk(es, index, body, filter_path=filter_path)
    for action in found.get("items", ()):  # what differs from run to run
        for item in action.values():
            for name in ("index", "index_uuid", "shard"):
                item.get("error", {}).pop(name, None)
    assert found == expected


def test_errors_of_whole_requests_are_not_filtered(es: Elasticsearch, index: str) -> None:
    assert refusal(lambda: es.search(index=index, filter_path="took")) == (404, MISSING)
