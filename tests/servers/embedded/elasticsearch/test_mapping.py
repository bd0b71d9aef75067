"""The documents that a mapping takes."""

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.servers.embedded.elasticsearch.contract import BAD_MAPPING, MALFORMED, STRICT, Json, refusal, write

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
            *(b'"1_0"', b'"Infinity"'),
        ],
    ),
    ({"type": "short"}, [b"32767", b"-32768", b'"1"'], [b"32768", b"-32769"]),
    ({"type": "integer"}, [b"2147483647", b"-2147483648"], [b"2147483648", b"-2147483649", b'"x"']),
    (
        {"type": "long"},
        [b"9223372036854775807", b"-9223372036854775808", b'"9223372036854775807"', b"1.5"],
        [b"9223372036854775808", b"1e19", b'"x"', b"false", b"{}"],
    ),
    ({"type": "double"}, [b"1", b"1.5", b"-1e300", b'"1.5"', b"null"], [b'"x"', b"true", b"{}"]),
    (
        {"type": "keyword"},
        [b'"x"', b'""', b"1", b"1.5", b"true", b"null", b'["a","b"]', b"[]", b'"%s"' % (b"x" * 32_766)],
        [b"{}", b'{"a":1}', b'[{"a":1}]', b'"%s"' % (b"x" * 32_767), b'"%s"' % ("\u00e9" * 16_384).encode()],
    ),
    ({"type": "keyword", "ignore_above": 3}, [b'"abcd"', b'"%s"' % (b"x" * 40_000)], []),
    ({"type": "text"}, [b'"x"', b"1", b"true", b'"%s"' % (b"x" * 40_000)], [b"{}"]),
    (
        {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        [b'"x"', b"1"],
        [b"{}", b'"%s"' % (b"x" * 40_000)],
    ),
    (
        {"type": "date"},
        [b"1704164645123", b'"1704164645123"', b"1704164645.123", b"-1", b"2024", b'"2024"', b"0", b"null"],
        [b'""', b"true", b"{}", b"9223372036854775808", b"-9223372036854775808"],
    ),
    (
        {"type": "date", "format": "epoch_millis", "ignore_malformed": True},
        [b"1", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b'"x"', b'""', b"true"],
        [b"{}"],
    ),
    ({"type": "date", "format": "epoch_millis"}, [b"1"], [b'"2024-01-02"', b'"x"']),
]


@pytest.mark.parametrize(("field", "takes", "refuses"), VALUES, ids=[str(field) for field, *_ in VALUES])
def test_the_values_of_a_field(
    es: Elasticsearch, index: str, field: Json, takes: list[bytes], refuses: list[bytes]
) -> None:
    es.indices.create(index=index, mappings={"dynamic": "strict", "properties": {"field": field}})
    outcomes = write(es, index, *(b'{"field":%s}' % value for value in takes + refuses))
    found = dict(zip(takes + refuses, outcomes, strict=True))
    assert found == {**dict.fromkeys(takes, 201), **dict.fromkeys(refuses, (400, MALFORMED))}


UNFIT: list[tuple[bytes, Any]] = [
    (b'{"":1}', (400, MALFORMED)),
    (b'{" ":1}', (400, MALFORMED)),
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
]


@pytest.mark.parametrize(
    ("dynamic", "documents"),
    [
        ("strict", [*UNFIT, (b"{}", 201), (b'{"new":1}', (400, STRICT)), (b'{"new":null}', (400, STRICT))]),
        ("false", [*UNFIT, (b"{}", 201), (b'{"new":1}', 201), (b'{"new":{"deep":[1,{"a":"x"}]}}', 201)]),
    ],
)
def test_documents_and_a_mapping(
    es: Elasticsearch, index: str, dynamic: str, documents: list[tuple[bytes, Any]]
) -> None:
    es.indices.create(index=index, mappings={"dynamic": dynamic, "properties": {"k": {"type": "keyword"}}})
    outcomes = write(es, index, *(document for document, _ in documents))
    assert list(zip((document for document, _ in documents), outcomes, strict=True)) == documents


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([{"a": 1}, {"a": "7"}, {"a": "x"}], [201, 201, (400, MALFORMED)]),
        ([{"a": "x"}, {"a": 1}, {"a": {"b": 1}}], [201, 201, (400, MALFORMED)]),
        ([{"a": "x" * 40_000}, {"a": None}, {"a": "2024"}], [201, 201, 201]),
        ([{"a": None}, {"a": "x"}, {"a": 1}], [201, 201, 201]),
        ([{"a": 1}, {"b": 1, "a": "x"}, {"b": "x"}], [201, (400, MALFORMED), 201]),
        ([{"a": 9223372036854775808}, {"a": "x"}], [(400, MALFORMED), 201]),
    ],
)
def test_fields_that_documents_add(es: Elasticsearch, index: str, documents: list[Json], expected: list[Any]) -> None:
    found = [outcome for document in documents for outcome in write(es, index, document)]
    assert [201 if outcome == 200 else outcome for outcome in found] == expected


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
    assert refusal(lambda: es.indices.create(index=index, mappings=mappings)) == (400, BAD_MAPPING)
