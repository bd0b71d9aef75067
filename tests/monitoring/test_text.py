"""An overview as a person reads it."""

from dataclasses import replace

import pytest

from monitoring.model import Branch, Flow, Group, Input, Join, Output, Overview
from monitoring.text import duration, lines
from tests.monitoring.observed import NOON, lag

FLOW = Flow(
    name="ratings",
    group="g",
    at=NOON,
    found=(0,),
    processes=1,
    started=NOON - 200,
    snapshot=NOON - 0.44,
    inputs=(Input("in", 199.14, 1196, NOON - 0.2, 3, 2, 0, lag(12)), Input("other", None, 0, None, 0, 0, None, None)),
    outputs=(Output("out", 0.0, 1193, NOON - 4000, 0),),
    join=Join(1100, 90, 3, 7, 1000),
    branches=(
        Branch(
            "search", "Elasticsearch", "documents", "held back", NOON - 42, "no \x1b[2J route", 0.0, 8, None, 12_345,
            "documents", 30,
        ),
        Branch("archive", "S3", "rows", "off"),
    ),
    troubles=(),
)  # fmt: skip


def test_a_flow() -> None:
    found = lines(Overview(NOON, (FLOW,), (), ("ratings: something",)))
    assert found == [
        "ratings: consumer group g, 1 process, up 3 min, last snapshot 0.4 s ago",
        "                                 a second  total       last  failed  lag  unread",
        "  in  in                            199.1  1,196  0.2 s ago       3   12       0",
        "  in  other                             ?      0          -       0    ?       ?",
        "  out out                             0.0  1,193    1 h ago       0",
        "  out Elasticsearch (documents)       0.0      8          -       0",
        "  join: 1,100 matched, 90 late, 3 unmatched, 7 held, 1,000 customers",
        "  parked: 2 messages wait for the schema registry",
        "  search: held back for 42 s: no \ufffd[2J route, 12,345 documents wait, 30 retries",
        "  archive: off",
        "trouble: ratings: something",
    ]


@pytest.mark.parametrize(
    ("found", "of", "text"), [((0,), 1, "1 process"), ((0, 1), 2, "2 processes"), ((1,), 2, "1 of 2 processes")]
)
def test_processes(found: tuple[int, ...], of: int, text: str) -> None:
    flow = replace(FLOW, found=found, processes=of, started=None, snapshot=None)
    assert lines(Overview(NOON, (flow,), (), ()))[0] == f"ratings: consumer group g, {text}, no snapshot yet"


def test_all_is_well() -> None:
    assert lines(Overview(NOON, (FLOW,), (), ()))[-1] == "all moves, or has nothing to do"


def test_a_group_without_a_flow() -> None:
    found = lines(Overview(NOON, (), (Group("g", (lag(5, 4),)), Group("h", ())), ("no flow was found",)))
    assert found[:3] == ["consumer group g, whose flow was not found", "          last  lag", "  in  in     -    9"]
    assert "HEALTH_PORT" in found[3]
    assert found[4:] == ["trouble: no flow was found"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.9, "59 s"), (60, "1 min"), (7200, "2 h"),
     (200_000, "2 d")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
