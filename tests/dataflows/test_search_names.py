"""The indices and templates of the search branch on a real Elasticsearch, by their settings."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client
from prometheus_client import REGISTRY

from dataflows import search
from dataflows.wiring import elasticsearch as connection
from dataflows.wiring.errors import StartupError
from messages.dead_letter import Refused
from records.alert import DEFAULT_COLUMNS, encoder
from records.enriched import NOBODY, EnrichedRating, Match, encode
from records.index_names import END_OF_TIME, IndexNames
from records.rating import Rating
from records.search import TEMPLATE_VERSION, template
from servers.elasticsearch import Elasticsearch
from servers.process import ROOT
from settings import Search
from sinks.elasticsearch import ElasticsearchSink

PAGE = (ROOT / "docs" / "search.md").read_text()

NOW = 1_795_737_862_957
TIMES = [NOW, 0, 1, END_OF_TIME - 1, END_OF_TIME, -1, -(10**12), NOW * 1000, 2**53, 2**63 - 1, -(2**63) + 1, -(2**63)]
"""Timestamps of ratings: now; the first and the last date; none; before 1970; microseconds; any of 64 bits."""


@pytest.fixture
def client(elasticsearch: Elasticsearch) -> Iterator[Client]:
    with Client(elasticsearch.url, request_timeout=60) as client:
        yield client


def connect(elasticsearch: Elasticsearch, settings: dict[str, Any]) -> ElasticsearchSink:
    def no_dead_letters(refused: list[Refused]) -> None:
        raise AssertionError(f"documents were rejected: {refused}")

    sink = connection.connect(Search(hosts=[elasticsearch.url], **settings), no_dead_letters)
    assert sink
    return sink


def rating(number: int, timestamp: int) -> EnrichedRating:
    person = ("Rica", "Blaisdell", "Rica Blaisdell", "rica@example.org", "platinum", "EU")
    return EnrichedRating(number, 7, 1, 2, 3, "web", "why?", timestamp, *person, 0, number)


def index_all(elasticsearch: Elasticsearch, settings: dict[str, Any], times: list[int]) -> dict[str, list[str]]:
    """Start, and index a document of each time in every index of the settings; the names of the indices."""
    sink = connect(elasticsearch, settings)
    names: dict[str, list[str]] = {}
    lane = sink.build_part("search", "0000", None)
    for variable, pattern in Search(**settings).indices.items():
        document = search.to_document(Search(**settings), pattern)
        documents = [document(encode(rating(number, timestamp))) for number, timestamp in enumerate(times, 1)]
        names[variable] = [document.target for document in documents]
        lane.write_batch([documents])
    lane.snapshot()
    lane.close()
    return names


def properties(client: Client, index: str) -> Any:
    (mapping,) = client.indices.get_mapping(index=index).body.values()
    return mapping["mappings"]["properties"]


OURS = template(IndexNames("x"))["template"]["mappings"]["properties"]

X = "ELASTICSEARCH_INDEX"

STARTS: dict[str, dict[str, Any]] = {
    "a name": {"index": "{x}"},
    "a date": {"index": "{x}-%Y.%m"},
    "every directive": {"index": "{x}-%Y.%m.%d-%H"},
    "directives side by side": {"index": "{x}%Y%m%d%H", "alerts_index": "{x}-%Y%m%d"},
    "a date first": {"index": "%Y-{x}"},
    "all dates": {"index": "{x}-%Y.%m", "alerts_index": "{x}-alerts-%Y.%m", "ratings_index": "{x}-raw-%Y.%m"},
    "a name that begins another": {"index": "{x}-enriched", "ratings_index": "{x}"},
    "alerts behind the name": {"index": "{x}", "alerts_index": "{x}-alerts"},
    "a date behind the name": {"index": "{x}", "alerts_index": "{x}-%Y.%m", "ratings_index": "{x}-%Y"},
    "patterns that overlap": {"index": "{x}-%Y.%m", "alerts_index": "{x}-%Y_%m", "ratings_index": "{x}-%Y-%m"},
    "data streams": {"index": "{x}", "alerts_index": "{x}-alerts-%Y", "target": "data-stream"},
    "a lifecycle": {"index": "{x}", "lifecycle": "policy"},
}


def named(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """The settings with a name of the test's own for x."""
    return {key: value.replace("{x}", name) for key, value in {"alerts_index": "{x}-unhappy", **settings}.items()}


@pytest.mark.parametrize("start", STARTS)
def test_a_start_with_any_names(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str], start: str
) -> None:
    settings = named(STARTS[start], topics("ratings"))
    indexed = index_all(elasticsearch, settings, [NOW, -1])
    for names in indexed.values():
        for name in names:
            assert properties(client, name) == OURS
    assert all(
        client.indices.exists_index_template(name=IndexNames(name).template)
        for name in Search(**settings).indices.values()
    )


def test_the_examples_of_names_in_the_documents_start(elasticsearch: Elasticsearch, client: Client) -> None:
    names = set(re.findall(r"`(?:ELASTICSEARCH_\w*INDEX=)?([a-z][a-z.-]*%[^`]+)`", PAGE))
    assert "ratings-enriched-%Y.%m" in names
    for name in names:
        (index,) = set(index_all(elasticsearch, named({"index": name}, "readme"), [NOW])[X])
        assert properties(client, index) == OURS
        client.indices.delete(index=index)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"index": "{x}"}, {"index": "{x}-%Y.%m"}),
        ({"index": "{x}-%Y.%m"}, {"index": "{x}"}),
        ({"index": "{x}-%Y.%m"}, {"index": "{x}-%Y_%m"}),
        ({"index": "{x}%Y"}, {"index": "{x}2%Y"}),
        ({"index": "{x}"}, {"index": "{x}-enriched", "ratings_index": "{x}"}),
        ({"index": "{x}"}, {"index": "{x}-new", "target": "data-stream"}),
        ({"index": "{x}-%Y", "target": "data-stream"}, {"index": "{x}-%Y.%m"}),
    ],
)
def test_templates_of_earlier_settings_block_nothing(
    elasticsearch: Elasticsearch,
    client: Client,
    topics: Callable[[str], str],
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    x = topics("ratings")
    connect(elasticsearch, named(before, x))
    for name in index_all(elasticsearch, named(after, x), [NOW, -1])[X]:
        assert properties(client, name) == OURS


def test_templates_of_an_earlier_version_block_nothing(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str]
) -> None:
    x = topics("ratings")
    for name, patterns in {f"{x}-enriched": [f"{x}-enriched", f"{x}-enriched-*"], f"{x}-d": [f"{x}-d-*"]}.items():
        client.indices.put_index_template(name=name, index_patterns=patterns, priority=200, version=1)
    settings = {"index": f"{x}-enriched", "alerts_index": f"{x}-enriched-%Y.%m", "ratings_index": f"{x}-d-%d"}
    for names in index_all(elasticsearch, settings, [NOW]).values():
        assert properties(client, names[0]) == OURS
    (found,) = client.indices.get_index_template(name=f"{x}-enriched")["index_templates"]
    assert found["index_template"]["version"] == TEMPLATE_VERSION


def test_a_template_follows_the_settings_but_keeps_what_somebody_changed(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str]
) -> None:
    x = topics("ratings")

    def found() -> Any:
        return client.indices.get_index_template(name=x)["index_templates"][0]["index_template"]

    connect(elasticsearch, named({"index": x}, x))
    ours = found()
    changed = {**ours, "template": {**ours["template"], "settings": {"number_of_shards": "3"}}}
    client.indices.put_index_template(name=x, **changed)
    connect(elasticsearch, named({"index": x}, x))
    assert found()["template"]["settings"]["index"]["number_of_shards"] == "3"
    connect(elasticsearch, named({"index": x, "lifecycle": "policy"}, x))
    assert found()["template"]["settings"]["index"]["lifecycle"] == {"name": "policy", "rollover_alias": x}
    connect(elasticsearch, named({"index": x, "target": "data-stream"}, x))
    assert found()["data_stream"] is not None
    client.indices.put_index_template(name=x, **{**changed, "version": 99})
    connect(elasticsearch, named({"index": x, "lifecycle": "policy"}, x))
    assert found()["version"] == 99


@pytest.mark.parametrize("strangers", [1, 4])
def test_a_strangers_template_of_the_same_priority(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str], strangers: int
) -> None:
    x = topics("ratings")
    for more in range(strangers):
        client.indices.put_index_template(
            name=f"{x}-stranger-{more}", index_patterns=[f"{x}*"], priority=IndexNames(x).priority + more
        )
    if strangers == 1:
        (index,) = set(index_all(elasticsearch, named({"index": x}, x), [NOW])[X])
        assert properties(client, index) == OURS
    else:
        with pytest.raises(StartupError) as caught:
            connect(elasticsearch, named({"index": x}, x))
        line = str(caught.value)
        assert "\n" not in line
        priority = IndexNames(x).priority + 3
        assert f"index template {x}: {x}-stranger-3 has the same priority {priority} and matches" in line


def test_a_data_stream_does_not_become_an_index(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str]
) -> None:
    x = topics("ratings")
    index_all(elasticsearch, named({"index": x, "target": "data-stream"}, x), [NOW])
    with pytest.raises(StartupError, match=f"index template {x}: .* would cause data streams \\[{x}\\] to no longer"):
        connect(elasticsearch, named({"index": x}, x))


def test_an_alias_goes_on_under_the_template_after_a_rollover(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str]
) -> None:
    x = topics("ratings")
    connect(elasticsearch, named({"index": x}, x))
    client.indices.create(index=f"{x}-000001", aliases={x: {"is_write_index": True}})
    index_all(elasticsearch, named({"index": x}, x), [NOW])
    assert client.indices.rollover(alias=x)["new_index"] == f"{x}-000002"
    index_all(elasticsearch, named({"index": x}, x), [NOW])
    for index in (f"{x}-000001", f"{x}-000002"):
        assert properties(client, index) == OURS
        client.indices.refresh(index=index)
        assert client.count(index=index)["count"] == 1


@pytest.mark.parametrize(
    "settings", [{"index": "{x}"}, {"index": "{x}-%Y.%m"}, {"index": "{x}", "target": "data-stream"}]
)
def test_ratings_of_any_time_are_documents(
    elasticsearch: Elasticsearch, client: Client, topics: Callable[[str], str], settings: dict[str, str]
) -> None:
    before = undated()
    settings = named(settings, topics("ratings"))
    targets = index_all(elasticsearch, settings, TIMES)[X]
    names = IndexNames(settings["index"])
    assert targets == [names.of(timestamp) for timestamp in TIMES]
    everything = ",".join(sorted(set(targets)))
    client.indices.refresh(index=everything)
    hits = client.search(index=everything, size=50, sort=[{"@timestamp": "asc"}])["hits"]["hits"]
    assert sorted(hit["_source"]["rating_ts"] for hit in hits) == sorted(TIMES)
    dates = {"gte": "1970-01-01", "lte": "9999-12-31"}
    dated = client.search(index=everything, size=50, query={"range": {"@timestamp": dates}})["hits"]["hits"]
    assert {hit["_source"]["rating_ts"] for hit in dated} == {NOW, 0, 1, END_OF_TIME - 1}
    assert undated() - before == 2 * (len(TIMES) - 4), "of ratings and of alerts"


def undated() -> float:
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    return sum(one.value for one in samples if one.name == "elasticsearch_undated_documents_total")


def test_an_alert_is_a_document_like_a_rating() -> None:
    (alert,) = encoder("x", DEFAULT_COLUMNS)([Match(Rating(1, 7, 1, rating_ts=-(2**63)), NOBODY)])
    document = search.to_document(Search(alerts_index="a-%Y"), "a-%Y", search.alert_id)(alert)
    assert document.id == "1-x"
    assert document.target == "a-unknown"
    assert document.body.startswith(b'{"@timestamp":-9223372036854775807,"rating_id":1,')
    assert b'"rating_ts":-9223372036854775808' in document.body
