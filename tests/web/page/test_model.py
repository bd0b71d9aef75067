from collections import Counter
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.dead_letter import DeadLetter, dead_letter
from tests.web.page.made import NOW, Clock, alert, rating
from web.page.choice import EVERYTHING, Group
from web.page.figures import FEED, figures, median_of
from web.page.model import RECENT, Model, Reason
from web.page.slots import SLOTS


def model(*ratings: tuple[int, int | None, float, dict[str, Any]], minutes: int = 60) -> Model:
    """A model at NOW that has taken ratings: offset, stars, age in seconds, other fields."""
    made = Model(minutes, Clock())
    made.take_ratings((rating(offset, stars, ago, **fields), -1) for offset, stars, ago, fields in ratings)
    return made


def letter(step: str = "decode_ratings", error: str = "InvalidRecord") -> DeadLetter:
    return dead_letter("ratings", 0, 1, -1, None, b"junk", step=step, error=error, message="why")


MIXED = model(
    (1, 1, 0, {"channel": "web", "club_status": "gold", "region": "EMEA"}),
    (2, 2, 0, {"channel": "ios", "club_status": "gold", "region": "APAC"}),
    (3, 4, 60, {"channel": "web", "club_status": "platinum", "region": "EMEA"}),
    (4, 3, 60, {"channel": "web", "club_status": None, "region": "EMEA"}),
    (5, None, 60, {"channel": None, "club_status": "gold", "region": None}),
    (6, 9, 3599, {}),  # in the slot of an hour ago, which has just left the chart
    (7, 9, 3500, {}),
)


def test_counts_over_time() -> None:
    found = figures(MIXED, EVERYTHING)
    assert len(found.slots) == SLOTS
    assert found.slots[-1] == int(NOW - 30) * 1000
    assert (found.ratings, found.poor, found.median) == (6, 2, 2.5)
    assert {name: counts[-2:] for name, counts in found.by_channel.items()} == {
        "ios": [0, 1],
        "unknown": [1, 0],
        "web": [2, 1],
    }
    assert {name: values[-2:] for name, values in found.medians.items()} == {
        "gold": [None, 1.5],
        "platinum": [4, None],
        "unknown": [3, None],
    }
    assert [(one.name, one.ratings, one.poor) for one in found.regions] == [("APAC", 1, 1), ("EMEA", 3, 1)]


@pytest.mark.parametrize(
    ("choice", "ids"),
    [
        (EVERYTHING, [7, 6, 5, 4, 3, 2, 1]),
        (Group(club_status="gold"), [7, 6, 5, 2, 1]),
        (Group(channel="web", region="EMEA"), [7, 6, 4, 3, 1]),
        (Group(club_status="unknown"), [4]),
        (Group(region="nowhere"), []),
    ],
)
def test_a_choice_selects(choice: Group, ids: list[int]) -> None:
    found = figures(MIXED, choice)
    assert [seen.rating.rating_id for seen in found.feed] == ids
    assert found.ratings == len([one for one in ids if one != 6])
    assert sum(rater.ratings for rater in found.raters) == len(ids)


@given(st.lists(st.integers(1, 5), max_size=30))
def test_the_median_is_exact(stars: list[int]) -> None:
    assert median_of(Counter(stars)) == (median(stars) if stars else None)


@pytest.mark.parametrize("alert_first", [True, False])
def test_an_alert_joins_its_rating(alert_first: bool) -> None:
    made = Model(60, Clock())
    if alert_first:
        made.take_alert(alert(5))
    made.take_ratings([(rating(5, region="APAC"), -1)])
    made.take_alert(alert(5))
    made.take_alert(alert(5))  # again
    for choice, count in ((EVERYTHING, 1), (Group(region="APAC"), 1), (Group(region="EMEA"), 0)):
        found = figures(made, choice)
        assert found.alerts == len(found.unhappy) == count
    assert figures(made, EVERYTHING).feed[0].rules == ["unhappy-platinum"]


@pytest.mark.parametrize("alerts_first", [True, False])
def test_a_rating_meets_several_rules(alerts_first: bool) -> None:
    made = Model(60, Clock())
    if not alerts_first:
        made.take_ratings([(rating(5), -1)])
    for number in range(100):
        made.take_alert(alert(5, f"rule-{number}"))
    if alerts_first:
        made.take_ratings([(rating(5), -1)])
    found = figures(made, EVERYTHING)
    assert found.feed[0].rules == [f"rule-{number}" for number in range(64)]
    assert (found.alerts, len(found.unhappy)) == (64, 1)


def test_a_customer_is_unhappy_once() -> None:
    made = Model(60, Clock())
    made.take_ratings((rating(offset, user_id=offset % 2, message=str(offset)), -1) for offset in range(5))
    for offset in range(5):
        made.take_alert(alert(offset))
    found = [(one.last.rating.message, one.alerts) for one in figures(made, EVERYTHING).unhappy]
    assert found == [("4", 3), ("3", 2)]


def test_a_rating_that_comes_twice_counts_once() -> None:
    made = model((1, 2, 0, {}), (1, 2, 0, {}))
    assert (made.total, figures(made, EVERYTHING).ratings) == (1, 1)
    made.take_ratings([(rating(1, ago=1), -1)])  # the topic was made again: another rating at this place
    assert (made.total, figures(made, EVERYTHING).ratings) == (2, 2)


def test_times_that_are_not_shown() -> None:
    made = model((1, 2, -3600, {}), (2, 2, 7200, {}), (3, 2, 10**12, {}), (4, 2, -(10**12), {}))
    assert made.total == 4
    assert figures(made, EVERYTHING).ratings == 0


def test_delay_and_rate() -> None:
    made = Model(60, Clock())
    made.take_ratings((rating(offset), int(NOW * 1000) + 250) for offset in range(20))
    assert set(made.delays) == {0.25}
    assert made.rate() == 2


def test_dead_letters_by_reason() -> None:
    made = Model(60, Clock())
    for _ in range(60):
        made.take_letter(letter())
    made.take_letter(letter("join", "UnknownCustomer"))
    assert made.reasons == {Reason("decode_ratings", "InvalidRecord"): 60, Reason("join", "UnknownCustomer"): 1}
    assert len(made.letters) == 50


def test_whatever_comes_is_bounded() -> None:
    made, strange = Model(60, Clock()), Random(1)
    for offset in range(25_000):
        fields: dict[str, Any] = {name: str(strange.random()) for name in ("channel", "club_status", "region")}
        made.take_ratings([(rating(offset, strange.randint(-9, 9), user_id=offset, **fields), -1)])
        made.take_alert(alert(offset + 1_000_000))
        made.take_letter(letter(step=str(offset)))
    assert len(made.recent) == RECENT
    found = figures(made, EVERYTHING)
    assert (len(found.feed), len(found.by_channel)) == (FEED, 13)
    assert len(made.reasons) == 51
    assert held_waiting(made) == 10_000


def held_waiting(made: Model) -> int:
    """The alerts that wait for their rating: as many come back once their ratings do."""
    before = len(made.alerted)
    made.take_ratings((rating(offset + 1_000_000), -1) for offset in range(30_000))
    return figures(made, EVERYTHING).alerts - before


@pytest.mark.parametrize("minutes", [60, 1440])
def test_memory_is_flat_over_a_day(minutes: int) -> None:
    """24 hours at 100 ratings a second, of which a hundredth is taken, a hundred times faster than they come."""
    clock, draw = Clock(), Random(2)
    made = Model(minutes, clock)
    sizes, offset = [], 0
    for _minute in range(24 * 60):
        clock.now += 60
        fields: list[dict[str, Any]] = [
            {"channel": draw.choice(("web", "ios", "android")), "club_status": draw.choice(("gold", "platinum"))}
            for _ in range(60)
        ]
        made.take_ratings(
            (rating(offset + index, draw.randint(1, 4), index, clock.now, **one), -1)
            for index, one in enumerate(fields)
        )
        offset += 60
        sizes.append(sum(len(slot.ratings) for _, slot in made.slots.upto(clock.now)))
    began = perf_counter()
    assert figures(made, EVERYTHING).ratings > 0.9 * 60 * minutes
    assert perf_counter() - began < 2
    assert max(sizes) <= SLOTS * 3 * 2 * 4
    assert len(made.recent) == RECENT
