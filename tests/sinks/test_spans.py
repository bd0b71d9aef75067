"""Which offsets are read back."""

import pytest

from sinks.kafka.spans import Span, between, merge, to_read
from sinks.kafka.state import LaneState

FAR = 20_000


def state(*ends: int, closed: tuple[Span, ...] = (), topic_id: str | None = "a") -> LaneState:
    return LaneState("out", topic_id, closed, ends)


@pytest.mark.parametrize(
    ("what", "states", "ends", "spans"),
    [
        ("nothing since", [state(5, 7)], (5, 7), []),
        ("some since", [state(5, 7)], (5, 9), [(1, 7, 9)]),
        ("the lowest of the lanes", [state(5, 7), state(4, 8)], (6, 9), [(0, 4, 6), (1, 7, 9)]),
        ("an empty topic", [state(0, 0)], (0, 0), []),
        ("a topic that was not there", [state()], (3, 0), [(0, 0, 3)]),
        ("a new partition", [state(5)], (6, 2), [(0, 5, 6), (1, 0, 2)]),
        ("recreated, shorter", [state(5, 7)], (6, 3), [(0, 0, 6), (1, 0, 3)]),
        ("recreated, with fewer partitions", [state(5, 7)], (6,), [(0, 0, 6)]),
        ("recreated, longer", [state(5, topic_id="b")], (6,), [(0, 0, 6)]),
        ("of an id that is not known", [state(5, topic_id=None)], (6,), [(0, 5, 6)]),
        ("gone", [state(5, 7)], (), []),
        (
            "the last of what many runs wrote",
            [state(3_000_000, 9, closed=((0, 10, 400_000), (0, 1_000_000, 1_700_000), (0, 2_000_000, 2_600_000)))],
            (3_000_001, 9),
            [(0, 1_300_000, 1_700_000), (0, 2_000_000, 2_600_000), (0, 3_000_000, 3_000_001)],
        ),
        (
            "with what an earlier run wrote",
            [state(FAR, closed=((0, 2, 4),))],
            (FAR + 1,),
            [(0, 2, 4), (0, FAR, FAR + 1)],
        ),
        ("which is near", [state(9, closed=((0, 2, 4),))], (12,), [(0, 2, 12)]),
        ("which no longer counts", [state(9, closed=((0, 2, 4),))], (3,), [(0, 0, 3)]),
    ],
)
def test_what_is_read_back(what: str, states: list[LaneState], ends: tuple[int, ...], spans: list[Span]) -> None:
    assert to_read(states, "a", ends) == spans, what


def test_an_id_that_is_not_told_says_nothing() -> None:
    assert to_read([state(5, topic_id="b")], None, (6,)) == [(0, 5, 6)]


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([], []),
        ([(0, 3, 3)], []),
        ([(0, FAR, FAR + 2), (0, 1, 3)], [(0, 1, 3), (0, FAR, FAR + 2)]),
        ([(0, 5, 7), (0, 1, 3)], [(0, 1, 7)]),
        ([(0, 1, 3), (0, 3, 5)], [(0, 1, 5)]),
        ([(0, 1, 9), (0, 2, 5)], [(0, 1, 9)]),
        ([(0, 1, 3), (1, 2, 5)], [(0, 1, 3), (1, 2, 5)]),
        ([(0, n * FAR, n * FAR + 1) for n in range(9)], [(0, n * FAR, n * FAR + 1) for n in range(1, 9)]),
    ],
)
def test_merged(spans: list[Span], merged: list[Span]) -> None:
    assert merge(spans) == merged


def test_between() -> None:
    assert between((1, 5), (3, 5, 2)) == [(0, 1, 3), (2, 0, 2)]
