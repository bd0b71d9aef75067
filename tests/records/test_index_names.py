"""Names of indices with dates, and the templates that match them: for any names."""

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from records.index_names import END_OF_TIME, IndexNames, rivals
from settings import Search

YEAR_10000 = 253_402_300_800_000


@pytest.mark.parametrize(
    ("pattern", "timestamp", "name"),
    [
        ("ratings", 0, "ratings"),
        ("ratings", -1, "ratings"),
        ("r-%Y.%m", 1_795_737_862_957, "r-2026.11"),
        ("r-%Y-%m-%d-%H", 1_795_737_862_957, "r-2026-11-27-00"),
        ("r-%Y.%m", 0, "r-1970.01"),
        ("r-%Y.%m", -1, "r-unknown.unknown"),  # Kafka's "none"
        ("r-%Y.%m", -86_400_000, "r-unknown.unknown"),
        ("r-%Y.%m", YEAR_10000 - 1, "r-9999.12"),
        ("r-%Y.%m", YEAR_10000, "r-unknown.unknown"),
        ("r-%Y%m%d", 1_795_737_862_957_000, "r-unknown"),  # microseconds
        ("%Y", 2**63 - 1, "unknown"),
        ("%Y", -(2**63), "unknown"),
    ],
)
def test_the_index_of_a_timestamp(pattern: str, timestamp: int, name: str) -> None:
    assert IndexNames(pattern).of(timestamp) == name
    assert any(fnmatchcase(name, one) for one in IndexNames(pattern).matching())


@pytest.mark.parametrize(
    ("pattern", "data_stream", "matches", "leaves"),
    [
        ("x", False, ["x", "x-000001", "x-000999"], ["x-alerts", "x-1", "xx", "x-2026.11"]),
        ("x", True, ["x"], ["x-000001", "x-alerts"]),
        ("x-%Y.%m", False, ["x-2026.11", "x-unknown.unknown"], ["x", "x-raw.a", "x-alerts", "x-000001"]),
        ("x-%Y.%m", True, ["x-2026.11"], ["x-raw.a"]),
        ("%Y", False, ["2026", "unknown"], ["kibana", "logs-2026"]),
        ("x-%m", False, ["x-01", "x-12", "x-unknown"], ["x-2026", "x-alerts"]),
    ],
)
def test_what_a_template_matches(pattern: str, data_stream: bool, matches: list[str], leaves: list[str]) -> None:
    patterns = IndexNames(pattern).matching(data_stream=data_stream)
    found = {name: any(fnmatchcase(name, one) for one in patterns) for name in matches + leaves}
    assert found == {**dict.fromkeys(matches, True), **dict.fromkeys(leaves, False)}


@pytest.mark.parametrize(
    ("names", "told_apart"),
    [
        (["ratings-enriched", "unhappy-platinum-customers", "ratings"], True),
        (["x", "x-alerts", "x-alerts-raw"], True),
        (["x", "x-%Y.%m", "x-alerts"], True),
        (["x-%Y", "x-alerts-%Y", "x-raw-%Y"], True),
        (["x.%Y", "x.alerts.%Y", "x"], True),
        (["x-2026", "x-%Y-%m", "x"], True),
        (["x-%Y.%m", "x-%Y_%m", "x-%Y-%m"], True),
        (["%Y-%m", "a", "b"], True),
        (["x", "y", "x"], False),
        (["x-%Y", "x-%Y", "y"], False),
        (["x-%Y", "x-2026", "y"], False),
        (["x-%m", "x-%d", "y"], False),
        (["x-%Y", "x-%m", "y"], False),  # both may be x-unknown
        (["x-%Y", "x-unknown", "y"], False),
        (["x-%Y%m", "x-%m%Y", "y"], False),
    ],
)
def test_names_that_can_be_told_apart(names: list[str], told_apart: bool) -> None:
    assert (rivals([IndexNames(name) for name in names]) is None) == told_apart


TOKENS = ["x", "a", "-", "-", ".", "_", "0", "1", "2026", "-00", "unknown", "raw", "%Y", "%m", "%d", "%H"]
NAMES = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=7).map("".join).filter(lambda name: name[0] not in "-._")
TIMES = st.sampled_from([0, -1, END_OF_TIME - 1, END_OF_TIME, 2**63 - 1]) | st.integers(0, END_OF_TIME - 1)


def winner(name: str, names: Sequence[IndexNames], data_stream: bool = False) -> IndexNames | None:
    """Whose template a new index of that name gets, as Elasticsearch chooses it."""
    matching = [one for one in names if any(fnmatchcase(name, p) for p in one.matching(data_stream=data_stream))]
    return max(matching, key=lambda one: one.priority, default=None)


@given(st.lists(NAMES, min_size=3, max_size=3, unique=True), st.lists(TIMES, min_size=5, max_size=5), st.booleans())
def test_every_index_gets_its_own_template(patterns: list[str], times: list[int], data_stream: bool) -> None:
    names = [IndexNames(pattern) for pattern in patterns]
    assume(rivals(names, data_stream=data_stream) is None)
    for one in names:
        for timestamp in times:
            assert winner(one.of(timestamp), names, data_stream) == one


@given(st.lists(NAMES, min_size=2, max_size=3, unique=True), TIMES)
def test_names_that_may_be_the_same_are_refused(patterns: list[str], timestamp: int) -> None:
    names = [IndexNames(pattern) for pattern in patterns]
    if len({one.of(timestamp) for one in names}) < len(names):
        assert rivals(names) is not None


@given(st.lists(NAMES.filter(lambda name: "%" not in name), min_size=2, max_size=3, unique=True))
def test_names_without_dates_are_never_refused_and_their_rollovers_are_theirs(patterns: list[str]) -> None:
    names = [IndexNames(pattern) for pattern in patterns]
    assert rivals(names) is None
    for one in names:
        rolled = f"{one.pattern}-000001"
        assert rolled in patterns or winner(rolled, names) == one


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_templates_have_legal_names_of_their_own(patterns: list[str]) -> None:
    one, other = (IndexNames(pattern).template for pattern in patterns)
    assert one != other
    for name in (one, other):
        # Elasticsearch's rules for names of templates.
        assert name == name.lower()
        assert not re.search(r"[\s,#*?\"\\/|<>:%]|^[_.]", name)


@given(NAMES, TIMES)
def test_a_dates_digits_are_those_of_the_calendar(pattern: str, timestamp: int) -> None:
    if 0 <= timestamp < END_OF_TIME:
        moment = datetime.fromtimestamp(timestamp // 1000, timezone.utc)
        assert IndexNames(pattern).of(timestamp) == moment.strftime(pattern)


def test_the_settings_refuse_the_same_index_twice() -> None:
    with pytest.raises(ValueError, match="ELASTICSEARCH_ALERTS_INDEX is 'x-%Y' and ELASTICSEARCH_INDEX is 'x-2026'"):
        Search(index="x-2026", alerts_index="x-%Y")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"index": "x" * 201}, "String should match pattern"),
        ({"index": "%Y%m%d" * 30}, "at most 200 characters"),
        ({"index": "x-" + "%Y." * 30}, "at most 200 characters"),
        ({"index": "x" * 200}, None),
        ({"versioned": True, "target": "data-stream"}, "ELASTICSEARCH_VERSIONED is true, but a data stream"),
    ],
)
def test_what_elasticsearch_would_refuse_later_is_refused_by_the_settings(
    settings: dict[str, Any], says: str | None
) -> None:
    if says is None:
        Search(**settings)
    else:
        with pytest.raises(ValueError, match=says):
            Search(**settings)
