"""The dashboard for Kibana: it is whole, its fields are those of the index templates, its numbers are right."""

import json
import subprocess
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

import msgspec
import pytest
from elasticsearch import Elasticsearch as Client
from elasticsearch import helpers

from records.customer import Customer
from records.enriched import Match, encode, enrich
from records.index_names import IndexNames
from records.rating import Rating
from records.search import template, with_timestamp
from servers.elasticsearch import Elasticsearch
from servers.job import piped
from settings import Search
from tests.web import lens
from web.kibana.__main__ import FILE
from web.kibana.objects import RECORDS
from web.kibana.ratings import saved_objects

OBJECTS = saved_objects(Search())
BY_ID = {(one["type"], one["id"]): one for one in OBJECTS}
CHARTS = [one for one in OBJECTS if one["type"] == "lens"]
SEARCHES = [one for one in OBJECTS if one["type"] == "search"]
(DASHBOARD,) = (one for one in OBJECTS if one["type"] == "dashboard")

NOON, MINUTE = 1_780_315_200_000, 60_000
WINDOW = 15 * MINUTE
CHANNELS = ["web", "ios", "iOS-test", "android", "web-test", "desk", None]
STATUSES = ["platinum", "gold", "silver", "bronze", None]

chart = pytest.mark.parametrize("chart", CHARTS, ids=lambda one: str(one["id"]))
search = pytest.mark.parametrize("search", SEARCHES, ids=lambda one: str(one["id"]))


def ids(panel: dict[str, Any]) -> str:
    return str(panel["id"])


def view_of(panel: dict[str, Any]) -> str:
    """The id of a panel's data view."""
    (reference,) = panel["references"]
    return str(reference["id"])


def fields_of(panel: dict[str, Any]) -> set[str]:
    if panel["type"] == "lens":
        return {column["sourceField"] for column in lens.layer(panel)["columns"].values()} - {RECORDS}
    return {*panel["attributes"]["columns"], *(name for name, _ in panel["attributes"]["sort"])}


def test_the_file_is_up_to_date() -> None:
    assert [json.loads(line) for line in FILE.read_text().splitlines()] == OBJECTS, "run `python -m web.kibana`"


def test_it_has_the_six_panels() -> None:
    panels = json.loads(DASHBOARD["attributes"]["panelsJSON"])
    assert len(panels) == 6
    assert {(one["type"], one["id"]) for one in [*CHARTS, *SEARCHES]} == {
        (one["type"], one["id"]) for one in DASHBOARD["references"]
    }


def test_every_reference_is_to_an_object_before_it() -> None:
    seen: set[tuple[str, str]] = set()
    for one in OBJECTS:
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= seen
        seen.add((one["type"], one["id"]))
    assert len(seen) == len(OBJECTS)


def test_the_panels_find_their_objects_and_do_not_overlap() -> None:
    names = {reference["name"]: reference["type"] for reference in DASHBOARD["references"]}
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD["attributes"]["panelsJSON"]):
        assert names[f"{panel['panelIndex']}:{panel['panelRefName']}"] == panel["type"]
        grid = panel["gridData"]
        assert grid["x"] + grid["w"] <= 48
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not cells & taken
        taken |= cells


@search
def test_a_search_finds_its_data_view(search: dict[str, Any]) -> None:
    (reference,) = search["references"]
    assert lens.source(search)["indexRefName"] == reference["name"]


@chart
def test_a_chart_finds_its_data_view_and_its_columns(chart: dict[str, Any]) -> None:
    state = chart["attributes"]["state"]
    ((layer, content),) = state["datasourceStates"]["formBased"]["layers"].items()
    assert [one["name"] for one in chart["references"]] == [f"indexpattern-datasource-layer-{layer}"]
    assert [*content["columns"]] == content["columnOrder"]
    shown = state["visualization"]
    if chart["attributes"]["visualizationType"] == "lnsXY":
        (shown,) = shown["layers"]
    assert shown["layerId"] == layer
    places = {key: value for key, value in shown.items() if key.endswith(("Accessor", "accessors"))}
    used = {one for value in places.values() for one in (value if isinstance(value, list) else [value])}
    used |= {
        column["params"]["orderBy"]["columnId"]
        for column in content["columns"].values()
        if "columnId" in column["params"].get("orderBy", {})
    }
    assert used == content["columns"].keys()


@pytest.mark.parametrize("panel", [*CHARTS, *SEARCHES], ids=ids)
def test_every_field_is_in_the_template(panel: dict[str, Any]) -> None:
    view = BY_ID["index-pattern", view_of(panel)]
    properties = template(IndexNames(view["attributes"]["title"]))["template"]["mappings"]["properties"]
    for field in fields_of(panel):
        name, _, inner = field.partition(".")
        kind = properties[name]["fields"][inner] if inner else properties[name]
        if panel["type"] == "lens":
            assert kind["type"] != "text", f"{field} cannot be aggregated"


@pytest.mark.parametrize(
    ("variables", "titles"),
    [
        ({}, ["ratings-enriched", "unhappy-platinum-customers"]),
        (
            {"ELASTICSEARCH_INDEX": "r-%m", "ELASTICSEARCH_ALERTS_INDEX": "a", "ELASTICSEARCH_TARGET": "data-stream"},
            ["r-0*,r-1*", "a"],
        ),
    ],
)
def test_the_command_writes_a_file_for_the_indices_of_the_settings(
    tmp_path: Path, variables: dict[str, str], titles: list[str]
) -> None:
    file = tmp_path / "dashboard.ndjson"
    command = piped("web.kibana", str(file), **variables)
    out, errors = command.communicate(timeout=60)
    assert (command.returncode, out, errors) == (0, f"{file}: 9 saved objects\n", "")
    objects = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["attributes"]["title"] for one in objects if one["type"] == "index-pattern"] == titles


def test_a_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    command: subprocess.Popen[str] = piped("web.kibana", str(tmp_path))
    _, errors = command.communicate(timeout=60)
    assert (command.returncode, errors.count("\n")) == (1, 1)
    assert errors.startswith("kibana: ")


class Indexed(NamedTuple):
    """An Elasticsearch with documents, and what is in the dashboard's span of time."""

    client: Client
    indices: dict[str, str]
    """By the ids of the data views, whose usual names other tests may use."""
    ratings: list[dict[str, Any]]
    alerts: list[dict[str, Any]]

    def of(self, panel: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ratings if view_of(panel) == "ratings-enriched" else self.alerts

    def ask(self, panel: dict[str, Any], **more: Any) -> Any:
        span = {"range": {"@timestamp": {"gte": NOON, "lt": NOON + WINDOW}}}
        return self.client.search(index=self.indices[view_of(panel)], query=span, track_total_hits=True, **more)


@pytest.fixture(scope="module")
def indexed(elasticsearch: Elasticsearch) -> Iterator[Indexed]:
    """Ratings of 15 minutes, and of the minutes before and after; those with few stars are alerts, too."""
    random, matches = Random(5), []
    people = [
        Customer(f"F{number}", "L", f"F{number} L", f"{number}@example.com", random.choice(STATUSES), "EMEA")
        for number in range(20)
    ]
    for number in range(4000):
        customer = people[min(random.randrange(20), random.randrange(20))]
        stars = random.choice([1, 2, 3, 4, 5, None])
        rating = Rating(number, 7, stars, 1, 1, random.choice(CHANNELS), f"words {number}")
        rating.rating_ts = NOON - MINUTE + random.randrange(WINDOW + 2 * MINUTE)
        rating.source_partition, rating.source_offset = 0, number
        matches.append(Match(rating, customer))
    records = [enrich(match) for match in matches]
    alerts = [record for record in records if (record.stars or 9) < 3]
    indices = {view: f"{uuid.uuid4().hex[:8]}-{view}" for view in ("ratings-enriched", "ratings-alerts")}
    with Client(elasticsearch.url, request_timeout=60) as client:
        for index, those in zip(indices.values(), (records, alerts), strict=True):
            client.indices.put_index_template(name=index, **template(IndexNames(index)))
            documents = (json.loads(with_timestamp(encode(one))) for one in those)
            actions = ({"_index": index, "_id": one["rating_id"], "_source": one} for one in documents)
            helpers.bulk(client, actions, refresh=True)
        shown = [
            [msgspec.structs.asdict(one) for one in those if NOON <= one.rating_ts < NOON + WINDOW]
            for those in (records, alerts)
        ]
        yield Indexed(client, indices, *shown)


def expected(panel: dict[str, Any], rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], float]:
    """The figures of a panel, computed without Elasticsearch."""

    def minute(row: dict[str, Any]) -> int:
        return int(row["rating_ts"] // MINUTE * MINUTE)

    match panel["id"]:
        case "ratings-unhappy":
            return {(): len(rows)}
        case "ratings-by-channel":
            groups: dict[int, Counter[str]] = defaultdict(Counter)
            for row in rows:
                if row["channel"] is not None:
                    groups[minute(row)][row["channel"]] += 1
            tops = {at: sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:5] for at, counts in groups.items()}
            return {(at, channel): count for at, counts in tops.items() for channel, count in counts}
        case "ratings-median":
            stars: dict[tuple[int, str], list[int]] = defaultdict(list)
            for row in rows:
                if row["club_status"] is not None and row["stars"] is not None:
                    stars[minute(row), row["club_status"]].append(row["stars"])
            return {key: median(values) for key, values in stars.items()}
        case "ratings-per-person":
            people = Counter(row["full_name"] for row in rows)
            return {(name,): count for name, count in sorted(people.items(), key=lambda one: (-one[1], one[0]))[:5]}
    raise AssertionError(f"no figures for {panel['id']}")


@chart
def test_a_chart_shows_the_figures_of_an_independent_computation(indexed: Indexed, chart: dict[str, Any]) -> None:
    answer = indexed.ask(chart, size=0, aggs=lens.aggregations(chart, "1m"))
    figures = expected(chart, indexed.of(chart))
    assert figures
    assert lens.cells(chart, answer) == figures


@search
def test_a_search_shows_the_newest_documents(indexed: Indexed, search: dict[str, Any]) -> None:
    columns = search["attributes"]["columns"]
    rows = sorted(indexed.of(search), key=lambda row: -row["rating_ts"])[:500]
    answer = indexed.ask(search, size=500, **lens.hits(search))
    shown = [hit["_source"] for hit in answer["hits"]["hits"]]
    assert answer["hits"]["total"]["value"] == len(indexed.of(search))
    # Those of one millisecond may change places.
    in_columns = [Counter(tuple(row[name] for name in columns) for row in those) for those in (shown, rows)]
    assert in_columns[0] == in_columns[1]
