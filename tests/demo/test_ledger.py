from collections.abc import Callable

import pytest

from demo.ledger import Ledger, calls_for_alert
from demo.outputs import Enriched


def unhappy(rating_id: int) -> Enriched:
    return Enriched(rating_id, 2, "web", "platinum")


def happy(rating_id: int) -> Enriched:
    return Enriched(rating_id, 4, "web", "platinum")


@pytest.mark.parametrize(
    ("stars", "channel", "club_status", "expected"),
    [
        (1, "web", "platinum", True),
        (2, "web", "platinum", True),
        (3, "web", "platinum", False),
        (None, "web", "platinum", False),
        (1, "web", "Platinum", True),
        (1, "web", "PLATINUM", True),
        (1, "web", "gold", False),
        (1, "web", None, False),
        (1, "iOS", "platinum", True),
        (1, "iOS-test", "platinum", False),
        (1, "TESTING", "platinum", False),
        (1, None, "platinum", True),
    ],
)
def test_which_ratings_call_for_an_alert(
    stars: int | None, channel: str | None, club_status: str | None, expected: bool
) -> None:
    assert calls_for_alert(Enriched(1, stars, channel, club_status)) is expected


def good(ledger: Ledger) -> None:
    """Ratings 1 (unhappy) and 2 (happy), and 3, which is malformed: all come out."""
    ledger.produced(1, well_formed=True)
    ledger.produced(2, well_formed=True)
    ledger.produced(3, well_formed=False)
    ledger.enriched(unhappy(1))
    ledger.enriched(happy(2))
    ledger.alert(1)
    ledger.dead_letter(3)


def only_produced(ledger: Ledger) -> None:
    ledger.produced(1, well_formed=True)
    ledger.produced(2, well_formed=False)


def without_alert(ledger: Ledger) -> None:
    ledger.produced(1, well_formed=True)
    ledger.enriched(unhappy(1))


def alert_first(ledger: Ledger) -> None:
    ledger.produced(1, well_formed=True)
    ledger.alert(1)
    ledger.enriched(unhappy(1))


def alert_only(ledger: Ledger) -> None:
    ledger.produced(1, well_formed=True)
    ledger.alert(1)


def uncalled_alert_first(ledger: Ledger) -> None:
    ledger.produced(1, well_formed=True)
    ledger.alert(1)
    ledger.enriched(happy(1))


Step = Callable[[Ledger], None]
LOST = "lost 1: of 1 ratings 0 came out enriched and 0 are held (such as 1)"


@pytest.mark.parametrize(
    ("steps", "held", "expected"),
    [
        ([good], 0, []),
        ([alert_first], 0, []),
        (
            [only_produced],
            1,
            ["1 malformed ratings have no dead letter (such as 2)"],
        ),
        (
            [only_produced],
            0,
            [LOST, "1 malformed ratings have no dead letter (such as 2)"],
        ),
        (
            [good],
            1,
            ["lost -1: of 2 ratings 2 came out enriched and 1 are held"],
        ),
        ([without_alert], 0, ["1 enriched ratings call for an alert that did not come (such as 1)"]),
        ([alert_only], 0, [LOST, "1 alerts came without their enriched rating (such as 1)"]),
        ([uncalled_alert_first], 0, ["1 x alert that its enriched rating does not call for (such as 1)"]),
        (
            [good, lambda ledger: ledger.alert(2)],
            0,
            ["1 x alert that came before or is not called for (such as 2)"],
        ),
        (
            [good, lambda ledger: ledger.alert(1), lambda ledger: ledger.alert(1)],
            0,
            ["2 x alert that came before or is not called for (such as 1, 1)"],
        ),
        (
            [alert_only, lambda ledger: ledger.alert(1), lambda ledger: ledger.enriched(unhappy(1))],
            0,
            ["1 x alert that came before or is not called for (such as 1)"],
        ),
        (
            [good, lambda ledger: ledger.enriched(unhappy(1))],
            0,
            ["1 x enriched rating that came before or is not called for (such as 1)"],
        ),
        (
            [good, lambda ledger: ledger.enriched(unhappy(99))],
            0,
            ["1 x enriched rating of a rating never produced (such as 99)"],
        ),
        (
            [good, lambda ledger: ledger.alert(99), lambda ledger: ledger.alert(0)],
            0,
            ["2 x alert of a rating never produced (such as 99, 0)"],
        ),
        (
            [good, lambda ledger: ledger.dead_letter(3)],
            0,
            ["1 x dead letter that came before or is not called for (such as 3)"],
        ),
        (
            [good, lambda ledger: ledger.dead_letter(1)],
            0,
            ["1 x dead letter that came before or is not called for (such as 1)"],
        ),
        (
            [good, lambda ledger: ledger.dead_letter(99)],
            0,
            ["1 x dead letter of a rating never produced (such as 99)"],
        ),
        ([good, lambda ledger: ledger.unreadable("no JSON")], 0, ["1 x unreadable record (such as no JSON)"]),
    ],
)
def test_what_does_not_agree(steps: list[Step], held: int, expected: list[str]) -> None:
    ledger = Ledger()
    for step in steps:
        step(ledger)
    assert ledger.disagreements(held) == expected


def test_the_summary_in_its_order() -> None:
    ledger = Ledger()
    good(ledger)
    ledger.produced(4, well_formed=True)
    ledger.produced(5, well_formed=True)
    assert list(ledger.summary(held=1).items()) == [
        ("ratings", 4),
        ("enriched", 2),
        ("alerts", 1),
        ("dead-letters", 1),
        ("held", 1),
        ("lost", 1),
    ]


def test_a_second_time_counts_as_an_error_not_as_an_output() -> None:
    ledger = Ledger()
    good(ledger)
    once = ledger.summary(0)
    ledger.enriched(unhappy(1))
    ledger.alert(1)
    ledger.dead_letter(3)
    assert ledger.summary(0) == once


def test_nothing_is_outstanding_when_all_came() -> None:
    ledger = Ledger()
    ledger.produced(1, well_formed=True)
    ledger.produced(2, well_formed=False)
    assert ledger.outstanding == 2
    ledger.enriched(unhappy(1))
    assert ledger.outstanding == 2  # the alert is owed now
    ledger.alert(1)
    ledger.dead_letter(2)
    assert ledger.outstanding == 0


@pytest.mark.parametrize("alert_first", [True, False])
def test_a_rating_of_the_page_counts_once_it_comes_out(alert_first: bool) -> None:
    ledger, submitted = Ledger(), 1_780_315_230_000_000
    if alert_first:
        ledger.alert(submitted)
    ledger.enriched(unhappy(submitted))
    assert ledger.outstanding == (0 if alert_first else 1)
    if not alert_first:
        ledger.alert(submitted)
    assert (ledger.ratings, ledger.enriched_ratings, ledger.alerts) == (1, 1, 1)
    assert ledger.disagreements(0) == []
    ledger.enriched(unhappy(submitted))
    assert len(ledger.disagreements(0)) == 1


def test_memory_is_bounded_by_what_is_outstanding() -> None:
    ledger = Ledger()
    for number in range(1, 50_001):
        ledger.produced(number, well_formed=True)
        ledger.alert(number)
        ledger.enriched(unhappy(number))
        ledger.enriched(unhappy(number))
        ledger.alert(number)
    kept = [value for value in vars(ledger).values() if isinstance(value, set)]
    assert [len(ids) for ids in kept] == [0] * 5
    first = "(such as 1, 2, 3, 4, 5)"
    assert ledger.disagreements(0) == [
        f"50000 x enriched rating that came before or is not called for {first}",
        f"50000 x alert that came before or is not called for {first}",
    ]
