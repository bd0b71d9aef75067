"""Queries, hits and aggregations."""

import uuid
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from tests.servers.embedded.elasticsearch.contract import (
    ILLEGAL,
    NO_JSON,
    PARSING,
    SEARCH,
    Json,
    bulk,
    lines,
    post,
    refusal,
)

START = 1704164645000  # 2024-01-02T03:04:05Z
FIELDS = {
    "channel": {"type": "keyword"},
    "club": {"type": "keyword"},
    "stars": {"type": "byte"},
    "price": {"type": "float"},
    "at": {"type": "date"},
    "message": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 5}}},
    "ok": {"type": "boolean"},
    "o": {"properties": {"a": {"type": "keyword"}}},
}
RATINGS: list[Json] = [
    {"channel": "web", "club": "gold", "stars": 1, "at": START, "message": "worst flight ever", "ok": True},
    {"channel": "ios", "club": "gold", "stars": 2, "at": START + 1000, "message": "Flight was good!", "ok": False},
    {"channel": "web", "club": None, "stars": "3", "at": "2024-01-02T03:04:10Z", "message": "short", "price": 1.1},
    {"channel": "android", "club": "platinum", "stars": 4, "at": START + 70_000, "o": {"a": "x"}},
    {"channel": ["web", "ios"], "stars": [1, 5], "at": START + 3_600_000},
    {},
]


@pytest.fixture(scope="module")
def ratings(es: Elasticsearch) -> str:
    """An index with RATINGS, whose ids are their positions."""
    name = f"ratings-{uuid.uuid4().hex[:8]}"
    es.indices.create(index=name, mappings={"properties": FIELDS})
    body = lines(*(line for id_, rating in enumerate(RATINGS) for line in ({"index": {"_id": str(id_)}}, rating)))
    assert not bulk(es, name, body, refresh=True)["errors"]
    return name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"match_all": {}}, "012345"),
        ({"match_none": {}}, ""),
        ({"term": {"channel": "web"}}, "024"),
        ({"term": {"channel": {"value": "web"}}}, "024"),
        ({"term": {"stars": 3}}, "2"),
        ({"term": {"stars": "1"}}, "04"),
        ({"term": {"stars": 1.5}}, ""),
        ({"term": {"stars": 300}}, ""),
        ({"term": {"price": 1.1}}, "2"),
        ({"term": {"ok": True}}, "0"),
        ({"term": {"ok": "false"}}, "1"),
        ({"term": {"at": START}}, "0"),
        ({"term": {"at": "2024-01-02T03:04:05Z"}}, "0"),
        ({"term": {"at": "2024-01-02"}}, "01234"),
        ({"term": {"message": "flight"}}, "01"),
        ({"term": {"message": "Flight"}}, ""),
        ({"term": {"message": "good"}}, "1"),
        ({"term": {"message.raw": "short"}}, "2"),
        ({"term": {"message.raw": "worst flight ever"}}, ""),
        ({"term": {"o.a": "x"}}, "3"),
        ({"term": {"o": "x"}}, ""),
        ({"term": {"nothing": 1}}, ""),
        ({"term": {"_id": "1"}}, "1"),
        ({"terms": {"channel": ["web", "android"]}}, "0234"),
        ({"terms": {"stars": [1, "2"]}}, "014"),
        ({"terms": {"_id": ["1", "2", "9"]}}, "12"),
        ({"terms": {"channel": []}}, ""),
        ({"range": {"stars": {"gte": 2, "lt": 4}}}, "12"),
        ({"range": {"stars": {"gt": 1.5}}}, "1234"),
        ({"range": {"stars": {}}}, "01234"),
        ({"range": {"at": {"gte": START, "lte": START + 1000}}}, "01"),
        ({"range": {"at": {"gt": "2024-01-02T03:04:05", "lt": "2024-01-02T03:05"}}}, "12"),
        ({"range": {"at": {"lte": "2024-01-02"}}}, "01234"),
        ({"range": {"at": {"lt": "2024-01-02"}}}, ""),
        ({"range": {"at": {"gt": "2024-01-02"}}}, ""),
        ({"range": {"at": {"gte": "2024-01-02"}}}, "01234"),
        ({"range": {"at": {"gte": "now-1d"}}}, ""),
        ({"range": {"at": {"lt": "now/d"}}}, "01234"),
        ({"range": {"at": {"gte": "2024-01-03||-1d", "lt": "2024-01-02||+3h+5m"}}}, "012"),
        ({"range": {"at": {"gte": "2024-01-02T03:59||/h", "lte": "2024-01-02T03:01||/h"}}}, "0123"),
        ({"range": {"channel": {"gte": "b", "lt": "j"}}}, "14"),
        ({"range": {"nothing": {"gte": 1}}}, ""),
        ({"exists": {"field": "club"}}, "013"),
        ({"exists": {"field": "o"}}, "3"),
        ({"exists": {"field": "nothing"}}, ""),
        ({"bool": {"filter": [{"term": {"channel": "web"}}, {"range": {"stars": {"gte": 2}}}]}}, "24"),
        ({"bool": {"filter": {"term": {"channel": "web"}}}}, "024"),
        ({"bool": {"must": [{"term": {"channel": "web"}}], "must_not": {"term": {"stars": 1}}}}, "2"),
        ({"bool": {"should": [{"term": {"channel": "ios"}}, {"term": {"stars": 4}}]}}, "134"),
        ({"bool": {"filter": [{"match_all": {}}], "should": [{"term": {"stars": 4}}]}}, "012345"),
        ({"bool": {"filter": [], "should": [{"term": {"stars": 4}}], "minimum_should_match": 1}}, "3"),
        ({"bool": {}}, "012345"),
    ],
)
def test_what_a_query_finds(es: Elasticsearch, ratings: str, query: Json, expected: str) -> None:
    found = es.search(index=ratings, query=query, size=10)["hits"]
    assert "".join(sorted(hit["_id"] for hit in found["hits"])) == expected
    assert found["total"] == {"value": len(expected), "relation": "eq"}
    assert es.count(index=ratings, query=query)["count"] == len(expected)


@pytest.mark.parametrize(
    ("query", "to_search", "to_count"),
    [
        ({"term": {"stars": "x"}}, SEARCH, SEARCH),
        ({"term": {"ok": "x"}}, SEARCH, SEARCH),
        ({"term": {"at": "x"}}, SEARCH, SEARCH),
        ({"range": {"stars": {"gte": "x"}}}, SEARCH, SEARCH),
        ({"term": {"channel": "web", "stars": 1}}, PARSING, PARSING),
        ({"terms": {"channel": "web"}}, PARSING, PARSING),
        ({"range": {"stars": {"nonsense": 1}}}, PARSING, PARSING),
        ({"nonsense": {}}, PARSING, PARSING),
        ({"match_all": {}, "term": {"stars": 1}}, PARSING, PARSING),
        ({}, ILLEGAL, PARSING),
        ({"term": {}}, ILLEGAL, PARSING),
        ({"term": {"stars": None}}, ILLEGAL, PARSING),
        ({"bool": {"nonsense": []}}, NO_JSON, PARSING),
    ],
)
def test_queries_that_are_refused(es: Elasticsearch, ratings: str, query: Json, to_search: str, to_count: str) -> None:
    assert refusal(lambda: post(es, f"/{ratings}/_search", {"query": query})) == (400, to_search)
    assert refusal(lambda: post(es, f"/{ratings}/_count", {"query": query})) == (400, to_count)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"sort": "stars"}, [("0", [1]), ("4", [1]), ("1", [2]), ("2", [3]), ("3", [4]), ("5", [2**63 - 1])]),
        ({"sort": {"stars": "desc"}, "size": 2}, [("4", [5]), ("3", [4])]),
        ({"sort": [{"stars": {"order": "desc"}}], "from": 4, "size": 2}, [("0", [1]), ("5", [-(2**63)])]),
        ({"sort": [{"at": "desc"}], "size": 1}, [("4", [START + 3_600_000])]),
        ({"sort": ["channel"], "from": 3}, [("0", ["web"]), ("2", ["web"]), ("5", [None])]),
        ({"sort": ["channel", {"stars": "desc"}], "size": 2}, [("3", ["android", 4]), ("4", ["ios", 5])]),
        ({"sort": [{"ok": "asc"}], "size": 2}, [("1", [0]), ("0", [1])]),
        ({"sort": [{"nothing": {"unmapped_type": "long"}}], "size": 1}, [("0", [2**63 - 1])]),
    ],
)
def test_hits_in_an_order(es: Elasticsearch, ratings: str, body: Json, expected: list[tuple[str, list[Any]]]) -> None:
    hits = post(es, f"/{ratings}/_search", body)["hits"]["hits"]
    assert [(hit["_id"], hit["sort"]) for hit in hits] == expected
    assert all(hit["_score"] is None for hit in hits)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"_source": True}, RATINGS[3]),
        ({"_source": False}, None),
        ({"_source": "stars"}, {"stars": 4}),
        ({"_source": ["c*", "o.a", "nothing"]}, {"channel": "android", "club": "platinum", "o": {"a": "x"}}),
        ({"_source": ["nothing"]}, {}),
    ],
)
def test_what_of_a_document_is_shown(es: Elasticsearch, ratings: str, body: Json, expected: Json | None) -> None:
    (hit,) = post(es, f"/{ratings}/_search", {"query": {"term": {"_id": "3"}}, **body})["hits"]["hits"]
    assert hit.get("_source") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"value": 6, "relation": "eq"}),
        ({"track_total_hits": True}, {"value": 6, "relation": "eq"}),
        ({"track_total_hits": 6}, {"value": 6, "relation": "eq"}),
        ({"track_total_hits": 2}, {"value": 2, "relation": "gte"}),
        ({"track_total_hits": False}, None),
    ],
)
def test_how_many_hits_are_told(es: Elasticsearch, ratings: str, body: Json, expected: Json | None) -> None:
    assert post(es, f"/{ratings}/_search", {"size": 0, **body})["hits"].get("total") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"size": -1}, ILLEGAL),
        ({"from": 5, "size": 10_000}, SEARCH),
        ({"sort": ["message"]}, SEARCH),
        ({"sort": ["nothing"]}, SEARCH),
        ({"nonsense": 1}, PARSING),
        ({"aggs": {"x": {"nonsense": {}}}}, PARSING),
        ({"aggs": {"x": {}}}, PARSING),
        ({"aggs": {"x": {"terms": {"field": "channel"}, "avg": {"field": "stars"}}}}, PARSING),
        ({"aggs": {"x": {"terms": {}}}}, ILLEGAL),
        ({"aggs": {"x": {"terms": {"field": "channel", "nonsense": 1}}}}, NO_JSON),
        ({"aggs": {"x": {"terms": {"field": "channel", "size": 0}}}}, NO_JSON),
        ({"aggs": {"x": {"terms": {"field": "message"}}}}, SEARCH),
        ({"aggs": {"x": {"cardinality": {"field": "message"}}}}, SEARCH),
        ({"aggs": {"x": {"avg": {"field": "channel"}}}}, SEARCH),
        ({"aggs": {"x": {"avg": {"field": "stars"}, "aggs": {"y": {"avg": {"field": "stars"}}}}}}, ILLEGAL),
        ({"aggs": {"x": {"date_histogram": {"field": "at"}}}}, SEARCH),
        ({"aggs": {"x": {"date_histogram": {"field": "at", "fixed_interval": "x"}}}}, NO_JSON),
        ({"aggs": {"x": {"date_histogram": {"field": "at", "fixed_interval": "1M"}}}}, NO_JSON),
        ({"aggs": {"x": {"date_histogram": {"field": "channel", "fixed_interval": "1m"}}}}, SEARCH),
        ({"aggs": {"x": {"date_histogram": {"field": "at", "fixed_interval": "1ms"}}}}, SEARCH),  # too many buckets
    ],
)
def test_searches_that_are_refused(es: Elasticsearch, ratings: str, body: Json, expected: str) -> None:
    assert refusal(lambda: post(es, f"/{ratings}/_search", body)) == (400, expected)


def buckets(*pairs: tuple[Any, int], others: int = 0, **more: Any) -> Json:
    found = [{"key": key, "doc_count": count, **more} for key, count in pairs]
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": found}


def moment(minute: str, milliseconds: int, count: int, **more: Any) -> Json:
    return {"key_as_string": f"2024-01-02T{minute}:00.000Z", "key": milliseconds, "doc_count": count, **more}


THREE, HALF_PAST_THREE, FOUR = 1704164400000, 1704166200000, 1704168000000
CLUB = {"club": {"terms": {"field": "club"}}}
HALF_HOURS = {"field": "at", "fixed_interval": "30m"}


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        ({"terms": {"field": "channel"}}, buckets(("web", 3), ("ios", 2), ("android", 1))),
        ({"terms": {"field": "channel", "size": 1}}, buckets(("web", 3), others=3)),
        ({"terms": {"field": "channel", "min_doc_count": 2}}, buckets(("web", 3), ("ios", 2))),
        (
            {"terms": {"field": "channel", "order": {"_key": "asc"}}},
            buckets(("android", 1), ("ios", 2), ("web", 3)),
        ),
        (
            {"terms": {"field": "channel", "order": {"_key": "desc"}}},
            buckets(("web", 3), ("ios", 2), ("android", 1)),
        ),
        (
            {"terms": {"field": "channel", "order": {"_count": "asc"}}},
            buckets(("android", 1), ("ios", 2), ("web", 3)),
        ),
        ({"terms": {"field": "club", "missing": "none"}}, buckets(("none", 3), ("gold", 2), ("platinum", 1))),
        ({"terms": {"field": "stars"}}, buckets((1, 2), (2, 1), (3, 1), (4, 1), (5, 1))),
        ({"terms": {"field": "price"}}, buckets((1.100000023841858, 1))),
        ({"terms": {"field": "message.raw"}}, buckets(("short", 1))),
        ({"terms": {"field": "nothing"}}, buckets()),
        (
            {"terms": {"field": "ok"}},
            {
                **buckets(),
                "buckets": [
                    {"key": 0, "key_as_string": "false", "doc_count": 1},
                    {"key": 1, "key_as_string": "true", "doc_count": 1},
                ],
            },
        ),
        (
            {"terms": {"field": "at", "size": 1}},
            {
                **buckets(others=4),
                "buckets": [{"key": START, "key_as_string": "2024-01-02T03:04:05.000Z", "doc_count": 1}],
            },
        ),
        (
            {"terms": {"field": "channel", "size": 1}, "aggs": {**CLUB, "stars": {"avg": {"field": "stars"}}}},
            buckets(("web", 3), others=3, club=buckets(("gold", 1)), stars={"value": 2.5}),
        ),
        (
            {"date_histogram": HALF_HOURS},
            {
                "buckets": [
                    moment("03:00", THREE, 4),
                    moment("03:30", HALF_PAST_THREE, 0),
                    moment("04:00", FOUR, 1),
                ]
            },
        ),
        (
            {"date_histogram": {**HALF_HOURS, "min_doc_count": 1}, "aggs": CLUB},
            {
                "buckets": [
                    moment("03:00", THREE, 4, club=buckets(("gold", 2), ("platinum", 1))),
                    moment("04:00", FOUR, 1, club=buckets()),
                ]
            },
        ),
        (
            {
                "date_histogram": {
                    "field": "at",
                    "fixed_interval": "2h",
                    "extended_bounds": {"min": "2024-01-02T00", "max": START + 1},
                },
                "aggs": {"stars": {"avg": {"field": "stars"}}},
            },
            {
                "buckets": [
                    moment("00:00", THREE - 10_800_000, 0, stars={"value": None}),
                    moment("02:00", THREE - 3_600_000, 4, stars={"value": 2.5}),
                    moment("04:00", FOUR, 1, stars={"value": 3.0}),
                ]
            },
        ),
        (
            {"date_histogram": {"field": "at", "fixed_interval": "7d"}},
            {"buckets": [{"key_as_string": "2023-12-28T00:00:00.000Z", "key": 1703721600000, "doc_count": 5}]},
        ),
        ({"date_histogram": {"field": "nothing", "fixed_interval": "1m"}}, {"buckets": []}),
        ({"filter": {"term": {"channel": "web"}}, "aggs": CLUB}, {"doc_count": 3, "club": buckets(("gold", 1))}),
        (
            {"filter": {"match_none": {}}, "aggs": {"n": {"avg": {"field": "stars"}}}},
            {"doc_count": 0, "n": {"value": None}},
        ),
        ({"avg": {"field": "stars"}}, {"value": 16 / 6}),
        ({"avg": {"field": "at"}}, {"value": 1704165380200.0, "value_as_string": "2024-01-02T03:16:20.200Z"}),
        ({"avg": {"field": "price"}}, {"value": 1.100000023841858}),
        ({"avg": {"field": "nothing"}}, {"value": None}),
        ({"sum": {"field": "stars"}}, {"value": 16.0}),
        ({"sum": {"field": "nothing"}}, {"value": 0.0}),
        ({"min": {"field": "stars"}}, {"value": 1.0}),
        ({"max": {"field": "at"}}, {"value": START + 3_600_000.0, "value_as_string": "2024-01-02T04:04:05.000Z"}),
        ({"max": {"field": "nothing"}}, {"value": None}),
        ({"value_count": {"field": "channel"}}, {"value": 6}),
        ({"cardinality": {"field": "channel"}}, {"value": 3}),
        ({"cardinality": {"field": "at"}}, {"value": 5}),
        ({"cardinality": {"field": "nothing"}}, {"value": 0}),
    ],
)
def test_what_documents_add_up_to(es: Elasticsearch, ratings: str, aggregation: Json, expected: Json) -> None:
    assert post(es, f"/{ratings}/_search", {"size": 0, "aggs": {"x": aggregation}})["aggregations"] == {"x": expected}


def test_dates_beyond_the_year_9999(es: Elasticsearch, index: str) -> None:
    es.indices.create(index=index, mappings={"properties": {"at": {"type": "date"}}})
    es.index(index=index, id="1", document={"at": 2**60}, refresh=True)
    found = es.search(index=index, size=0, aggs={"at": {"terms": {"field": "at"}}})
    assert found["aggregations"]["at"]["buckets"][0]["key"] == 2**60


def test_aggregations_of_what_a_query_finds(es: Elasticsearch, ratings: str) -> None:
    found = es.search(
        index=ratings,
        size=0,
        query={"term": {"club": "gold"}},
        aggregations={"channels": {"terms": {"field": "channel"}}, "none": {"filter": {"term": {"stars": 9}}}},
    )
    assert found["hits"]["hits"] == []
    assert found["aggregations"] == {"channels": buckets(("ios", 1), ("web", 1)), "none": {"doc_count": 0}}


def test_searches_by_parameters(es: Elasticsearch, ratings: str) -> None:
    found = es.perform_request("GET", f"/{ratings}/_search?size=1&sort=at:desc", headers={"accept": "application/json"})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["4"]
