"""Dead letters of what was refused after decoding."""

import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

import pytest

from dataflows.letters import Letters, refused_by_step, refused_records
from messages.dead_letter import Refused
from messages.message import Message
from operators.failure import Failure
from records.customer import CustomerChange
from records.enriched import NOBODY, Match, encode_matches, enrich
from records.rating import Rating
from servers.embedded.messages import message

RATING = Rating(1, 2, rating_ts=1007, source_partition=3, source_offset=7)


def refused(offset: int, timestamp: int | None = None, partition: int = 3) -> Refused:
    at = 1000 + offset if timestamp is None else timestamp
    return Refused(partition, offset, at, "enriched", "MessageTooLarge", "why", b"output", "a-topic")


class Topic:
    """What is on the topic, and what was asked of it."""

    def __init__(self, *offsets: int) -> None:
        self._messages = {
            (3, at): message(b"%d" % at, b"k", partition=3, offset=at, timestamp=1000 + at) for at in offsets
        }
        self.asked: list[set[tuple[int, int]]] = []

    def read(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Message]:
        self.asked.append(set(places))
        return {place: self._messages[place] for place in self.asked[-1] & self._messages.keys()}


@pytest.mark.parametrize(
    ("about", "value", "why"),
    [
        pytest.param(refused(7), b"7", "why", id="there"),
        pytest.param(refused(8), None, "why; the original is no longer on the topic", id="gone"),
        pytest.param(refused(7, 5), None, "why; the original is no longer on the topic", id="a topic recreated"),
        pytest.param(refused(-1, -1, -1), None, "why; it is not known where it was read", id="nowhere"),
    ],
)
def test_a_letter_holds_the_original(about: Refused, value: bytes | None, why: str) -> None:
    topic = Topic(7)
    ((key, written, _),) = Letters("ratings", topic.read)([about])
    letter = json.loads(written)
    assert key == f"ratings-{about.partition}-{about.offset}"
    assert (None if letter["value"] is None else b64decode(letter["value"])) == value
    assert (letter["message"], letter.get("original")) == (why, None if value else "gone")
    assert (b64decode(letter["output"]), letter["destination"]) == (b"output", "a-topic")


def test_originals_are_read_together_and_letters_keep_their_order() -> None:
    topic = Topic(*range(250))
    offsets = [*range(249, -1, -1), 7, 7]
    letters = [json.loads(written) for _, written, _ in Letters("ratings", topic.read)([*map(refused, offsets)])]
    assert [letter["offset"] for letter in letters] == offsets
    assert [b64decode(letter["value"]) for letter in letters] == [b"%d" % offset for offset in offsets]
    assert [len(places) for places in topic.asked] == [100, 100, 50]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RATING, (3, 7, 1007)),
        (Match(RATING, NOBODY), (3, 7, 1007)),
        (enrich(Match(RATING, NOBODY)), (3, 7, 1007)),
        (encode_matches([Match(RATING, NOBODY)])[0], (3, 7, 1007)),
        (CustomerChange(1, None), (-1, -1, -1)),
    ],
)
def test_where_a_record_that_a_step_failed_at_was_read(record: Any, expected: tuple[int, int, int]) -> None:
    about = refused_by_step(Failure(record, "a_step", "TypeError", "why"))
    assert about[:3] == expected
    assert (about.step, about.error, about.output, about.destination) == ("a_step", "TypeError", None, None)
    assert about.reason.startswith("why")
    assert ("CustomerChange(id=1" in about.reason) == (expected[0] < 0)


def test_records_that_a_destination_refused() -> None:
    assert refused_records("archive", "a-bucket", [(Match(RATING, NOBODY), "ArrowInvalid", "why")]) == [
        Refused(3, 7, 1007, "archive", "ArrowInvalid", "why", None, "a-bucket")
    ]
