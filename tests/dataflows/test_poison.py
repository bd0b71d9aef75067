"""Records that some step cannot process, between good ones: each is a dead letter, and nothing else changes."""

import json
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import TestingSink, TestingSource, cluster_main
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflows import decoders
from dataflows.letters import Letters
from dataflows.ports import Ports
from dataflows.ratings import build
from messages.decoder import Decoder
from messages.message import Message, Poll
from records.customer import Customer, CustomerChange
from records.enriched import NOBODY, Match, encode_matches, locate
from records.enriched_avro import EnrichedAvro
from records.rating import Rating
from servers.embedded.messages import message
from settings import Settings

PLATINUM, BROKEN = 1, 2
"""A customer, and one of whom no rating can be made."""


def good(rating: Rating) -> None:
    """Nothing is wrong with it."""


def half_a_pair(rating: Rating) -> None:
    rating.message = "\ud83d"


def no_text(rating: Rating) -> None:
    rating.channel = object()  # type: ignore[assignment]


def text_for_a_number(rating: Rating) -> None:
    rating.stars = "many"  # type: ignore[assignment]


def more_than_64_bits(rating: Rating) -> None:
    rating.rating_time = 10**30


def of_a_broken_customer(rating: Rating) -> None:
    rating.user_id = BROKEN


def no_key(rating: Rating) -> None:
    rating.user_id = "x"  # type: ignore[assignment]


KINDS = (good, half_a_pair, no_text, text_for_a_number, more_than_64_bits, of_a_broken_customer, no_key)

RULE, ALERT = "rule:unhappy-platinum", "alert:unhappy-platinum"
JSON: dict[Any, set[str]] = {
    good: set(),
    half_a_pair: {"enriched_json", ALERT, "raw_rating_json"},
    no_text: {RULE, "enriched_json", "raw_rating_json"},
    text_for_a_number: {RULE},
    more_than_64_bits: set(),
    of_a_broken_customer: {RULE, "enriched_json", "archive_rows"},
    no_key: {"decode_ratings"},
}
"""The steps that cannot process such a rating, where what is enriched is written as JSON."""
AVRO: dict[Any, set[str]] = {
    **JSON,
    half_a_pair: {"enriched_avro", "search_json", ALERT, "raw_rating_json"},
    no_text: {RULE, "enriched_avro", "search_json", "raw_rating_json"},
    text_for_a_number: {RULE, "enriched_avro"},
    more_than_64_bits: {"enriched_avro"},
    of_a_broken_customer: {RULE, "enriched_avro", "search_json", "archive_rows"},
}


def decode(found: Message) -> Rating:
    """Makes a rating as good or bad as the message says; a decoder of production would not."""
    rating = Rating(found.offset() or 0, PLATINUM, 1, 1, 1, "web", "meh")
    rating.rating_ts, rating.source_partition, rating.source_offset = found.timestamp()[1], 3, found.offset() or 0
    {kind.__name__: kind for kind in KINDS}[(found.value() or b"").decode()](rating)
    return rating


def decode_customer(found: Message) -> CustomerChange:
    number = int(found.value() or b"")
    person = Customer("Rica", None, "Rica", None, "platinum", None) if number == PLATINUM else "nobody"
    return CustomerChange(number, person)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("KAFKA_", "UNMATCHED", "ALERT", "TEST_CHANNEL", "DEAD_")) or variable.endswith(
            "_TOPIC"
        ):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("UNMATCHED_GRACE_SECONDS", "3600")
    monkeypatch.setenv("ELASTICSEARCH_RATINGS_INDEX", "raw")
    monkeypatch.setenv("DEAD_LETTERS_MAX_IN_A_ROW", "1000000")
    monkeypatch.setattr(decoders, "of_ratings", lambda *_, **__: Decoder(decode))
    monkeypatch.setattr(decoders, "of_customers", lambda *_, **__: Decoder(decode_customer))


class Run:
    """The main job, run over polls of messages."""

    def __init__(self, polls: Sequence[Sequence[Message]], *, avro: bool = False, workers: int = 1) -> None:
        self._messages = {(3, one.offset()): one for poll in polls for one in poll}
        customers = [message(b"%d" % number, topic="customers", partition=0) for number in (PLATINUM, BROKEN)]
        outputs: dict[str, list[Any]] = {
            name: [] for name in ("enriched", "alerts", "dead_letters", "search", "archive")
        }
        ports = Ports(
            # The first turn is the customers'.
            ratings=TestingSource([Poll("ratings", 3, ()), *(Poll("ratings", 3, poll) for poll in polls)]),
            customers=TestingSource([Poll("customers", 0, customers, 1)]),
            alerts={"UNHAPPY_PLATINUM_CUSTOMERS": TestingSink(outputs["alerts"])},
            **{name: TestingSink(written) for name, written in outputs.items() if name != "alerts"},  # type: ignore[arg-type]
            ticks=TestingSource([]),
            letters=Letters("ratings", self._originals),
            enriched_avro=EnrichedAvro(1) if avro else None,
        )
        self.asked: list[tuple[int, int]] = []
        cluster_main(build(ports, Settings.load()), [], 0, worker_count_per_proc=workers, epoch_interval=timedelta(0))
        self.letters = [json.loads(value) for _, batch in outputs["dead_letters"] for _, value, _ in batch]
        self.good = {
            name: Counter(repr(record) for _, batch in outputs[name] for record in batch)
            for name in ("enriched", "alerts", "search")
        }
        self.archived = sum(len(batch) for _, batch in outputs["archive"])

    def _originals(self, places: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], Message]:
        wanted = list(places)
        self.asked += wanted
        return {place: self._messages[place] for place in wanted}


def written(kinds: Sequence[Sequence[Any]], only: Any = None) -> Sequence[Sequence[Message]]:
    """A poll of messages for each of the lists; ``only`` leaves out all that are of another kind."""
    offset, polls = 0, []
    for poll in kinds:
        polls.append(
            [
                message(kind.__name__.encode(), b"k", topic="ratings", partition=3, offset=at, timestamp=1000 + at)
                for at, kind in enumerate(poll, offset)
                if only in (None, kind)
            ]
        )
        offset += len(poll)
    return polls


def check(kinds: Sequence[Sequence[Any]], *, avro: bool, workers: int = 1) -> None:
    failing = AVRO if avro else JSON
    run, alone = (Run(written(kinds, only), avro=avro, workers=workers) for only in (None, good))
    every = [kind for poll in kinds for kind in poll]
    wanted = {(at, step) for at, kind in enumerate(every) for step in failing[kind]}
    assert sorted((letter["offset"], letter["step"]) for letter in run.letters) == sorted(wanted)
    for letter in run.letters:
        assert (letter["topic"], letter["partition"], letter["timestamp"]) == ("ratings", 3, 1000 + letter["offset"])
        assert b64decode(letter["value"]).decode() == every[letter["offset"]].__name__
        assert (letter["key"], letter["output"], letter["destination"]) == ("aw==", None, None)
        assert letter["error"]
        assert letter["message"]
    # The originals of those that were not at hand are read again, and of no other.
    assert set(run.asked) == {(3, at) for at, step in wanted if step != "decode_ratings"}
    assert alone.letters == alone.asked == []
    for name, records in alone.good.items():
        assert records <= run.good[name], name
    # What is no dead letter of a step is in its output.
    count = len(every)
    assert run.good["enriched"].total() == count - sum(
        bool(failing[kind] & {"enriched_json", "enriched_avro", "decode_ratings"}) for kind in every
    )
    assert run.good["alerts"].total() == count - sum(
        bool(failing[kind] & {ALERT, RULE, "decode_ratings"}) for kind in every
    )
    assert run.archived == count - sum(bool(failing[kind] & {"archive_rows", "decode_ratings"}) for kind in every)


@pytest.mark.parametrize("avro", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: Any, avro: bool) -> None:
    check([[good, good, kind, good], [kind], [good]], avro=avro)


@pytest.mark.parametrize("workers", [1, 2])
def test_all_kinds(workers: int) -> None:
    check([[*KINDS, *KINDS], [*KINDS]], avro=True, workers=workers)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from((good, good, *KINDS)), max_size=40), min_size=1, max_size=4), st.booleans())
def test_good_ratings_go_on_and_each_bad_one_is_a_dead_letter(kinds: list[list[Any]], avro: bool) -> None:
    check(kinds, avro=avro)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [half_a_pair, no_text])
def test_a_step_that_fails_for_everything_stops_the_flow_with_a_line(
    kind: Any, workers: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEAD_LETTERS_MAX_IN_A_ROW", "20")
    Run(written([[kind] * 10, [kind] * 10]), workers=workers)
    mixed = [*[kind] * 20, good] * 3
    Run(written([mixed, mixed]), workers=workers)
    assert "became dead letters" not in caplog.text
    with pytest.raises(BytewaxRuntimeError):
        Run(written([[good] * 50, [kind] * 30, [good] * 50]), workers=workers)
    lines = [line for line in caplog.messages if "became dead letters" in line]
    assert len(lines) <= workers  # another worker may be in another step at that moment
    step, _, line = lines[0].partition(": ")
    assert step in JSON[kind]
    assert line.startswith("21 records in a row became dead letters, ")
    assert "more than DEAD_LETTERS_MAX_IN_A_ROW allows; the commonest error is " in line
    assert "(21), for example " in line


def test_a_rule_that_fails_for_everything_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAD_LETTERS_MAX_IN_A_ROW", "20")
    run = Run(written([[text_for_a_number] * 100] * 2))
    assert Counter(letter["step"] for letter in run.letters) == {RULE: 200}
    assert run.good["enriched"].total() == 200


@pytest.mark.parametrize(("share", "stops"), [("0.4", True), ("0.6", False)])
def test_a_step_that_fails_for_too_large_a_share_stops_the_flow(
    share: str, stops: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEAD_LETTERS_MAX_SHARE", share)
    polls = written([[good, more_than_64_bits] * 1000] * 5)
    if stops:
        with pytest.raises(BytewaxRuntimeError):
            Run(polls, avro=True)
        assert "enriched_avro: 5,000 of 10,000 records became dead letters" in caplog.text
    else:
        assert len(Run(polls, avro=True).letters) == 5000


@pytest.mark.parametrize("timestamp", [-1, 0, 1_528_800_546_808, 1_795_737_862_957_000, -(2**63), 2**63 - 1])
def test_an_enriched_rating_tells_where_it_was_read_whatever_its_timestamp(timestamp: int) -> None:
    rating = Rating(1, 2, rating_ts=timestamp, source_partition=3, source_offset=4)
    avro = EnrichedAvro(1)
    matches = [Match(rating, NOBODY)]
    ((in_avro,), (in_json,)) = avro.encode(matches), encode_matches(matches)
    assert avro.locate(in_avro.value) == locate(in_json.value) == (3, 4, timestamp)
