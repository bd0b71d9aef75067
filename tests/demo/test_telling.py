from collections.abc import Callable

import pytest

from demo.outputs import Ended, Intent
from demo.telling import Telling

Step = Callable[[Telling], None]


def alerts(*ids: int) -> Step:
    def step(telling: Telling) -> None:
        for one in ids:
            telling.alert(one)

    return step


def told(id_: str, *ids: int) -> Step:
    def step(telling: Telling) -> None:
        telling.record(Intent(id_, len(ids) > 1, list(ids)))
        telling.record(Ended(id_))

    return step


@pytest.mark.parametrize(
    ("steps", "arrived", "expected"),
    [
        ([], 0, []),
        ([alerts(1, 2, 3), told("a", 1), told("b", 2, 3)], 2, []),
        ([told("a", 1), alerts(1)], 1, []),
        ([alerts(1, 2), told("a", 1)], 1, ["1 alerts were not told (such as 2)"]),
        (
            [alerts(1), lambda telling: telling.record(Intent("a", False, [1]))],
            0,
            ["1 alerts were not told (such as 1)"],
        ),
        ([told("a", 1)], 1, ["1 ratings were told twice, or without an alert (such as 1)"]),
        ([alerts(1), told("a", 1), told("b", 1)], 2, ["1 ratings were told twice, or without an alert (such as 1)"]),
        (
            [told("a", 1), told("b", 1), alerts(1)],
            2,
            ["1 alerts were told twice (such as 1)"],
        ),
        ([alerts(1), told("a", 1)], 2, ["the notifier sent 1 messages, but 2 reached Slack"]),
    ],
)
def test_what_does_not_agree(steps: list[Step], arrived: int, expected: list[str]) -> None:
    telling = Telling()
    for step in steps:
        step(telling)
    assert telling.disagreements(arrived) == expected


def test_totals() -> None:
    telling = Telling()
    for step in (alerts(1, 2, 3, 4), told("a", 1), told("b", 2, 3)):
        step(telling)
    assert (telling.totals(), telling.owed) == ({"notified": 3, "digests": 1}, 1)
