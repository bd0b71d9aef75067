"""Which documents an index takes, and the fields that it finds in them."""

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.servers.embedded.elasticsearch.contract import (
    ILLEGAL,
    MALFORMED,
    STRICT,
    Json,
    bulk,
    lines,
    outcomes,
    refusal,
)

# A type, the values of JSON that a field of it takes, and those that it refuses.
VALUES: list[tuple[Json, list[bytes], list[bytes]]] = [
    (
        {"type": "byte"},
        [
            *(b"1", b"-128", b"127", b"null", b"[]", b"[1,2]", b"[[1]]", b"[null]"),
            *(b"1.0", b"127.5", b"-1.7", b"1e2", b'"1"', b'"1.7"', b'"1e2"', b'" 1 "', b'""'),
        ],
        [
            *(b"128", b"-129", b'"128"', b"9223372036854775808", b'"x"', b"true", b"{}", b'{"a":1}', b'[1,"x"]'),
        ],
    ),
    ({"type": "short"}, [b"32767", b"-32768", b'"1"'], [b"32768", b"-32769"]),
    ({"type": "integer"}, [b"2147483647", b"-2147483648"], [b"2147483648", b"-2147483649", b'"x"']),
    (
        {"type": "long"},
        [b"9223372036854775807", b"-9223372036854775808", b'"9223372036854775807"', b"1.5"],
        [b"9223372036854775808", b"1e19", b'"x"', b"false", b"{}"],
    ),
    (
        {"type": "float"},
        [b"1", b"1.5", b'"1.5"', b'""', b"1e-50", b"3.4028235e38", b"[1.5,2]"],
        [b"3.4028236e38", b"1e39", b'"NaN"', b'"Infinity"', b'"1e400"', b'"x"', b"true", b"{}"],
    ),
    ({"type": "double"}, [b"1e39", b'"1.5"'], [b'"NaN"', b'"x"', b"true", b"{}"]),
    (
        {"type": "boolean"},
        [b"true", b"false", b'"true"', b'"false"', b'""', b"null", b"[true,false]"],
        [b'"True"', b'"yes"', b"1", b"0", b"1.0", b"{}"],
    ),
    (
        {"type": "keyword"},
        [b'"x"', b'""', b"1", b"1.5", b"true", b"null", b'["a","b"]', b"[]", b'"%s"' % (b"x" * 32_766)],
        [b"{}", b'{"a":1}', b'[{"a":1}]', b'"%s"' % (b"x" * 32_767), b'"%s"' % ("\u00e9" * 16_384).encode()],
    ),
    ({"type": "keyword", "ignore_above": 3}, [b'"abcd"', b'"%s"' % (b"x" * 40_000)], []),
    ({"type": "text"}, [b'"x"', b"1", b"true", b'"%s"' % (b"x" * 40_000)], [b"{}"]),
    (
        {"type": "date"},
        [
            *(b"1704164645123", b'"1704164645123"', b"1704164645.123", b"-1", b"2024", b"0", b"null"),
            *(b'"2024"', b'"2024-01"', b'"2024-01-02"', b'"2024-01-02T03"', b'"2024-01-02T03:04"'),
            *(b'"2024-01-02T03:04:05"', b'"2024-01-02T03:04:05Z"', b'"2024-01-02T03:04:05+0100"'),
            *(b'"2024-01-02T03:04:05.123456789+01:00"', b'"2024-01-02T03:04:05,1Z"'),
        ],
        [
            *(b'"2024-01-02 03:04:05"', b'"2024-1-2"', b'"2024-02-30"', b'"2024-13-01"', b'"2024-W01"'),
            *(b'"2024-01-02T25:00:00Z"', b'"2024-01-02T03:04:60Z"', b'" 2024-01-02"'),
            *(b'"x"', b'""', b"true", b"{}", b"9223372036854775808"),
            b"-9223372036854775808",
        ],
    ),
    (
        {"type": "date", "format": "epoch_millis", "ignore_malformed": True},
        [b"1", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b'"x"', b'""', b"true"],
        [b"{}"],
    ),
    ({"type": "date", "format": "epoch_second"}, [b"1704164645"], [b'"2024-01-02"']),
    ({"type": "date", "format": "strict_date_optional_time"}, [b'"2024-01-02"'], [b"1704164645"]),
    (
        {"properties": {"a": {"type": "keyword"}}},
        [b"{}", b'{"a":1}', b"null", b"[]", b'[{"a":1},null,{"a":2}]'],
        [b"1", b'"x"', b"true", b"[1]", b'{"a":{"b":1}}'],
    ),
]


@pytest.mark.parametrize(("field", "takes", "refuses"), VALUES, ids=[str(field) for field, *_ in VALUES])
def test_what_a_field_takes(
    es: Elasticsearch, index: str, field: Json, takes: list[bytes], refuses: list[bytes]
) -> None:
    es.indices.create(index=index, mappings={"dynamic": "strict", "properties": {"field": field}})
    body = b"".join(lines({"index": {}}, b'{"field":%s}' % value) for value in takes + refuses)
    found = dict(zip(takes + refuses, outcomes(bulk(es, index, body)), strict=True))
    assert found == {**dict.fromkeys(takes, 201), **dict.fromkeys(refuses, (400, MALFORMED))}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"{}", 201),
        (b'{"o.a":"x"}', 201),
        (b'{"o.a":"x","o":{"a":"y"}}', 201),
        (b'{"new":1}', (400, STRICT)),
        (b'{"new":null}', (400, STRICT)),
        (b'{"new":[]}', (400, STRICT)),
        (b'{"o.new":1}', (400, STRICT)),
        (b'{"o":{"new":{}}}', (400, STRICT)),
        (b'{"k.x":1}', (400, MALFORMED)),
        (b'{"":1}', (400, MALFORMED)),
        (b'{" ":1}', (400, MALFORMED)),
        (b'{"a..b":1}', (400, MALFORMED)),
        (b'{"_id":"1"}', (400, MALFORMED)),
        (b'{"_source":1}', (400, MALFORMED)),
        (b"", (400, MALFORMED)),
        (b"{bad", (400, MALFORMED)),
        (b'{"k":NaN}', (400, MALFORMED)),
        (b'{"k":"a\tb"}', (400, MALFORMED)),
        (b'{"k":"\xff"}', (400, MALFORMED)),
        (b'{"k":"a"}x', (400, MALFORMED)),
        (b"null", (500, "not_x_content_exception")),
        (b"[]", (500, "not_x_content_exception")),
    ],
)
def test_which_documents_fit_a_strict_mapping(es: Elasticsearch, index: str, document: bytes, expected: Any) -> None:
    fields = {"k": {"type": "keyword"}, "o": {"properties": {"a": {"type": "keyword"}}}}
    es.indices.create(index=index, mappings={"dynamic": "strict", "properties": fields})
    assert outcomes(bulk(es, index, lines({"index": {"_id": "1"}}, document))) == [expected]


TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


@pytest.mark.parametrize(
    ("documents", "expected", "properties"),
    [
        ([{"a": 1}, {"a": 1.5}, {"a": "7"}, {"a": "x"}], [201, 201, 201, (400, MALFORMED)], {"a": {"type": "long"}}),
        ([{"a": 1.5}], [201], {"a": {"type": "float"}}),
        ([{"a": True}, {"a": 1}], [201, (400, MALFORMED)], {"a": {"type": "boolean"}}),
        ([{"a": "x"}, {"a": 1}, {"a": {"b": 1}}], [201, 201, (400, MALFORMED)], {"a": TEXT}),
        ([{"a": "2024-01-02T03:04:05.123Z"}, {"a": "x"}], [201, (400, MALFORMED)], {"a": {"type": "date"}}),
        ([{"a": "2024-01"}], [201], {"a": {"type": "date"}}),
        ([{"a": "2024"}], [201], {"a": TEXT}),
        ([{"a": "2024-01-02 03:04"}], [201], {"a": TEXT}),
        ([{"a": {"b": 1}}, {"a": 1}], [201, (400, MALFORMED)], {"a": {"properties": {"b": {"type": "long"}}}}),
        ([{"a": {}}], [201], {"a": {"type": "object"}}),
        ([{"a.b": 1}], [201], {"a": {"properties": {"b": {"type": "long"}}}}),
        ([{"a": [1, 2]}], [201], {"a": {"type": "long"}}),
        ([{"a": [{"b": 1}, {"b": 2, "c": True}]}], [201], None),
        ([{"a": None}, {"b": []}, {"c": [None]}], [201, 201, 201], {}),
        ([{"a": [1, "x"]}], [(400, ILLEGAL)], {}),
        ([{"a": ["x", 1]}], [(400, ILLEGAL)], {}),
        ([{"a": [1, 1.5]}], [(400, ILLEGAL)], {}),
        ([{"a": [1, {"b": 1}]}], [(400, ILLEGAL)], {}),
        ([{"a": [{"b": 1}, {"b": "x"}]}], [(400, ILLEGAL)], {}),
        ([{"a": 9223372036854775808}], [(400, MALFORMED)], {}),
        ([{"a": 1}, {"b": 1, "a": "x"}], [201, (400, MALFORMED)], {"a": {"type": "long"}}),
    ],
)
def test_fields_that_documents_bring(
    es: Elasticsearch, index: str, documents: list[Json], expected: list[Any], properties: Json | None
) -> None:
    es.indices.create(index=index)
    found = [outcomes(bulk(es, index, lines({"index": {}}, document)))[0] for document in documents]
    assert found == expected
    if properties is not None:
        mapping = es.indices.get_mapping(index=index)[index]["mappings"]
        assert mapping == ({"properties": properties} if properties else {})


def test_fields_that_a_mapping_ignores(es: Elasticsearch, index: str) -> None:
    inner = {"dynamic": True, "properties": {"a": {"type": "keyword"}}}
    es.indices.create(index=index, mappings={"dynamic": False, "properties": {"o": inner}})
    document = {"new": 1, "o": {"b": 2}, "other": {"c": [1, "x"]}}
    es.index(index=index, id="1", document=document, refresh=True)
    assert es.get(index=index, id="1")["_source"] == document
    assert es.count(index=index, query={"term": {"new": 1}})["count"] == 0
    assert es.count(index=index, query={"term": {"o.b": 2}})["count"] == 1
    assert es.indices.get_mapping(index=index)[index]["mappings"] == {
        "dynamic": "false",
        "properties": {"o": {"dynamic": "true", "properties": {"a": {"type": "keyword"}, "b": {"type": "long"}}}},
    }


@pytest.mark.parametrize(
    "mappings",
    [
        {"properties": {"a": {"type": "nonsense"}}},
        {"properties": {"a": {"type": "keyword", "nonsense": 1}}},
        {"properties": {"a": {}}},
        {"properties": {"a": 1}},
        {"properties": {"a": {"type": "date", "format": "nonsense"}}},
        {"dynamic": "nonsense"},
        {"nonsense": 1},
    ],
)
def test_mappings_that_cannot_be(es: Elasticsearch, index: str, mappings: Json) -> None:
    assert refusal(lambda: es.indices.create(index=index, mappings=mappings)) == (400, "mapper_parsing_exception")
    assert not es.indices.exists(index=index)
