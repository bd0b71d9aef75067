import json
from collections import Counter
from itertools import islice, pairwise

import pytest
from confluent_kafka import Message

from demo.generate import (
    CHANNELS,
    CLUB_STATUSES,
    MAX_CUSTOMERS,
    MESSAGES,
    CustomerChange,
    CustomerChanges,
    GeneratedRating,
    Ratings,
)
from messages.errors import DecodeError
from records.customer import decode as decode_customer_change
from records.rating import decode as decode_rating

NOW = 1_528_800_546.808
MANY = 20_000


def clock() -> float:
    return NOW


def ratings(count: int, seed: int = 0) -> list[GeneratedRating]:
    return list(islice(Ratings(seed, clock), count))


def as_message(value: bytes | None, key: bytes) -> Message:
    return Message(topic="any", partition=0, offset=0, key=key, value=value, timestamp=(1, 0))


def test_the_same_seed_gives_the_same_ratings() -> None:
    assert ratings(1000, seed=1) == ratings(1000, seed=1)
    assert ratings(1000, seed=1) != ratings(1000, seed=2)


def test_ids_count_up_and_are_the_keys() -> None:
    some = ratings(1000)
    assert [rating.rating_id for rating in some] == list(range(1, 1001))
    assert [rating.key for rating in some] == [str(number).encode() for number in range(1, 1001)]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("user_id", set(range(-1, 20))),
        ("stars", {1, 2, 3, 4}),
        ("channel", set(CHANNELS)),
        ("message", set(MESSAGES)),
        ("rating_time", {1_528_800_546_808}),
    ],
)
def test_values_are_those_of_the_reference_and_all_occur(field: str, values: set[object]) -> None:
    assert {json.loads(rating.value)[field] for rating in ratings(MANY) if rating.well_formed} == values


def test_routes_are_in_their_range() -> None:
    routes = {json.loads(rating.value)["route_id"] for rating in ratings(MANY) if rating.well_formed}
    assert min(routes) >= 1
    assert max(routes) <= 9998
    assert len(routes) > 8000


def test_three_in_a_thousand_are_malformed_between_good_ones() -> None:
    malformed = [rating.rating_id for rating in ratings(MANY) if not rating.well_formed]
    assert len(malformed) == pytest.approx(MANY * 0.003, rel=0.01)
    assert min(later - earlier for earlier, later in pairwise(malformed)) > 1


def test_well_formed_is_what_the_decoder_takes() -> None:
    errors: Counter[str] = Counter()
    for rating in ratings(MANY):
        try:
            decoded = decode_rating(as_message(rating.value, rating.key))
        except DecodeError as error:
            assert not rating.well_formed
            errors[f"{type(error).__name__}: {error}".partition(" at ")[0].partition(": Input")[0]] += 1
        else:
            assert rating.well_formed
            assert decoded.rating_id == rating.rating_id
    assert len(errors) >= 5  # each of the kinds occurs
    assert {line.partition(":")[0] for line in errors} == {"EmptyValue", "InvalidRecord", "NotJson"}


def changes(count: int, seed: int = 0) -> list[CustomerChange]:
    return list(islice(CustomerChanges(seed, clock), count))


def test_the_same_seed_gives_the_same_changes() -> None:
    assert changes(1000, seed=1) == changes(1000, seed=1)
    assert changes(1000, seed=1) != changes(1000, seed=2)


def test_the_snapshot_holds_the_seed_customers() -> None:
    snapshot = CustomerChanges(0, clock).snapshot()
    rows = {row["id"]: row for row in (json.loads(change.value or b"") for change in snapshot)}
    assert sorted(rows) == list(range(1, 21))
    assert rows[2] == {
        "id": 2,
        "first_name": "Ruthie",
        "last_name": "Brockherst",
        "email": "rbrockherst1@ow.ly",
        "gender": "Female",
        "club_status": "platinum",
        "comments": None,
        "create_ts": "2018-06-12T10:49:06Z",
        "update_ts": "2018-06-12T10:49:06Z",
        "region": "AMER",
    }
    statuses = Counter(row["club_status"] for row in rows.values())
    assert statuses == {"platinum": 5, "gold": 7, "silver": 3, "bronze": 5}
    assert {row["region"] for row in rows.values()} == {"EMEA", "AMER", "APAC", None}


def test_changes_are_ordered_and_consistent() -> None:
    """Only those there are deleted or updated, only those not there inserted, and there are never too many."""
    table = CustomerChanges(0, clock)
    there = {1 + number for number in range(20)}
    kinds: Counter[str] = Counter()
    statuses = set()
    for change in islice(table, MANY):
        number = json.loads(change.key)["id"]
        if change.value is None:
            there.remove(number)
            kinds["delete"] += 1
            continue
        row = json.loads(change.value)
        assert row["id"] == number
        statuses.add(row["club_status"])
        kinds["update" if number in there else "insert"] += 1
        there.add(number)
        assert len(there) <= MAX_CUSTOMERS
    assert min(kinds["insert"], kinds["update"], kinds["delete"]) > MANY / 20
    assert statuses == {*CLUB_STATUSES, None}
    assert len(there & set(range(1, 21))) > 10  # those who rate do not die out


def test_newcomers_are_numbered_from_21() -> None:
    ids = [json.loads(change.key)["id"] for change in changes(MANY)]
    new = list(dict.fromkeys(number for number in ids if number > 20))
    assert new == list(range(21, 21 + len(new)))


def test_changes_are_what_the_decoder_takes() -> None:
    for change in [*CustomerChanges().snapshot(), *changes(1000)]:
        decoded = decode_customer_change(as_message(change.value, change.key))
        assert decoded is not None
        assert decoded.id == json.loads(change.key)["id"]
        assert (decoded.customer is None) == (change.value is None)
