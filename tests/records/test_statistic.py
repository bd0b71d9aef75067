"""Statistics of ratings: what each figure is, beside Python's own statistics."""

import json
import statistics as oracle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.window_counts import Count
from records.customer import Customer
from records.enriched import NOBODY, Match
from records.index_names import IndexNames
from records.rating import Rating
from records.search import STATISTIC_PROPERTIES, of_statistic, template
from records.statistic import DIMENSIONS, OTHER, Statistic, encode, keys, median, other, statistics, tidy
from settings import Statistics

SIZE = 60_000


def match(stars: int | None, channel: str | None = "web", status: str | None = "gold", at: int = 90_000) -> Match:
    known = Customer("a", "b", "a b", "c", status, "EU")
    return Match(Rating(1, 2, stars, channel=channel, rating_ts=at, source_partition=0), known)


def rows(
    matches: list[Match], dimensions: tuple[str, ...] = DIMENSIONS
) -> dict[tuple[str, str | None], dict[str, object]]:
    """The statistics of matches in one window, by dimension and value."""
    counts = {(1, *key): Count(number, 0) for key, number in Counter(map(tidy, keys(matches))).items()}
    encoded = [json.loads(one.value) for one in statistics(1, counts, SIZE, dimensions)]
    return {(row["dimension"], row["value"]): row for row in encoded}


@given(st.lists(st.integers(1, 5)))
def test_the_median_is_that_of_pythons_statistics(stars: list[int]) -> None:
    histogram = [stars.count(number) for number in range(1, 6)]
    assert median(histogram) == (oracle.median(stars) if stars else None)


@given(st.lists(st.one_of(st.none(), st.integers(-2, 9)), min_size=1))
def test_the_figures_are_those_of_the_ratings(stars: list[int | None]) -> None:
    row = rows([match(number) for number in stars])["all", None]
    rated = [number for number in stars if number is not None and 1 <= number <= 5]
    assert row["count"] == len(stars)
    assert row["mean"] == (pytest.approx(oracle.mean(rated)) if rated else None)
    assert row["median"] == (oracle.median(rated) if rated else None)
    assert row["poor"] == sum(number < 3 for number in rated)
    assert row["poor_share"] == (sum(number < 3 for number in rated) / len(rated) if rated else None)
    assert [row[f"stars_{number}"] for number in range(1, 6)] == [rated.count(number) for number in range(1, 6)]
    assert row["stars_none"] == stars.count(None)
    assert row["stars_other"] == len(stars) - len(rated) - stars.count(None)


def test_ratings_are_counted_by_each_value_of_each_dimension() -> None:
    ratings = [
        match(1),
        match(4, "ios"),
        match(2, None, None),
        Match(Rating(1, 2, 3, channel="ios", rating_ts=60_000), NOBODY),
    ]
    counted = {key: row["count"] for key, row in rows(ratings).items()}
    assert counted == {
        ("all", None): 4,
        ("channel", "web"): 1,
        ("channel", "ios"): 2,
        ("channel", None): 1,
        ("club_status", "gold"): 2,
        ("club_status", None): 2,
        ("region", "EU"): 3,
        ("region", None): 1,
    }
    assert {key for key, row in rows(ratings).items() if row["unknown_customers"]} == {
        ("all", None), ("channel", "ios"), ("club_status", None), ("region", None),
    }  # fmt: skip
    assert rows(ratings, ()).keys() == {("all", None)}


def test_a_known_customer_without_any_values_is_not_unknown() -> None:
    nameless = Match(Rating(1, 2, 3, rating_ts=1), Customer(None, None, None, None, None, None))
    assert rows([nameless])["all", None]["unknown_customers"] == 0


def test_a_window_begins_at_a_multiple_of_its_size() -> None:
    row = rows([match(1)])["all", None]
    assert (row["window_start"], row["window_end"]) == (60_000, 120_000)


@pytest.mark.parametrize(("value", "key"), [(None, "60000|channel|null"), ("null", '60000|channel|"null"')])
def test_null_and_the_text_null_have_different_keys(value: str | None, key: str) -> None:
    assert [one.key for one in statistics(1, {(1, value, None, None, 3, False): Count(1)}, SIZE, ["channel"])][1] == key


@pytest.mark.parametrize("character", ["a", "😀", "\x01", '"'])
def test_a_long_value_is_cut_so_that_its_key_is_an_id_of_elasticsearch(character: str) -> None:
    (key,) = ((10**9, *tidy(key)) for key in keys([match(None, character * 1000)]))
    encoded = [*statistics(10**9, {key: Count(1)}, SIZE, ["channel"])][1]
    assert len(encoded.key.encode()) <= 512
    assert json.loads(encoded.key.split("|", 2)[2]) == character * 64


def test_what_is_beyond_the_bound_is_one_value() -> None:
    assert other((1, "web", "gold", None, 4, True)) == (1, OTHER, OTHER, OTHER, 4, True)


def test_the_settings_have_the_dimensions() -> None:
    assert tuple(Statistics().dimensions) == DIMENSIONS


def test_the_index_has_the_fields_of_a_statistic() -> None:
    one = Statistic(60_000, 120_000, "all", None, 1, 4.0, 4.0, 0, 0.0, 0, 0, 0, 0, 0, 1, 0, 0, 0)
    document = of_statistic(encode(one))
    assert document.startswith(b'{"@timestamp":60000,"window_start":60000,')
    assert json.loads(document).keys() == STATISTIC_PROPERTIES.keys()
    assert template(IndexNames("x"), STATISTIC_PROPERTIES)["template"]["mappings"]["properties"] == STATISTIC_PROPERTIES
