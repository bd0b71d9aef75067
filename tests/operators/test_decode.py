import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

from messages.dead_letter import KEPT_BYTES, DeadLetter
from messages.decoder import ALONE, Decoder
from messages.errors import InvalidRecord
from messages.message import Message, Poll
from operators.batch import KEY_GROUPS
from operators.decode import DeadLetters, Loaded, decode
from operators.limit import FailureLimit, TooManyFailures
from servers.embedded.messages import message

step_ids: Iterator[str] = (f"decode_{number}" for number in count())


class Unexpected(Exception):
    """What no decoder should raise."""


def number(found: Message) -> int | None:
    """A decoder: numbers are records; the word "pass" is nothing of ours; all else is broken."""
    value = found.value() or b""
    if value == b"pass":
        return None
    if value == b"break":
        raise Unexpected("of the decoder itself")
    try:
        return int(value)
    except ValueError:
        raise InvalidRecord(f"no number: {value[:20].decode()}") from None


def key(record: int) -> int | None:
    """The number itself; 999 belongs to all, 666 has none that can be told."""
    if record == 666:
        raise Unexpected("of the key")
    return None if record == 999 else record


def poll(
    *values: bytes | None, first: int = 0, partition: int = 0, loaded_of: int | None = None, seen: int = 0
) -> Poll:
    messages = [
        message(value, b"k", topic="numbers", partition=partition, offset=offset, timestamp=offset * 1000)
        for offset, value in enumerate(values, first)
    ]
    return Poll("numbers", partition, messages, loaded_of, seen)


NO_LIMIT = FailureLimit(1, 1_000_000)


def run(
    *polls: Poll,
    step_id: str = "",
    decoder: Decoder[int] | None = None,
    key_of: Callable[[int], int | None] = key,
    limit: FailureLimit = NO_LIMIT,
) -> tuple[list[Any], list[Any]]:
    """What the step makes of the polls: its two streams."""
    oks: list[Any] = []
    errs: list[Any] = []
    flow = Dataflow("test")
    up = op.input("in", flow, TestingSource(polls, batch_size=10))
    out = decode(step_id or next(step_ids), up, decoder or Decoder(number), key_of, limit)
    op.output("oks", out.oks, TestingSink(oks))
    op.output("errs", out.errs, TestingSink(errs))
    run_main(flow)
    return oks, errs


G = KEY_GROUPS


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        pytest.param([poll()], [], id="nothing"),
        pytest.param([poll(b"3")], [(G[3], [3])], id="one"),
        pytest.param(
            [poll(b"16", b"1", b"0", b"17", b"-1", b"0")],
            [(G[0], [16, 0, 0]), (G[1], [1, 17]), (G[15], [-1])],
            id="order",
        ),
        pytest.param(
            [poll(b"1", b"2"), poll(b"1", b"17", first=2)],
            [(G[1], [1]), (G[2], [2]), (G[1], [1, 17])],
            id="polls stay apart",
        ),
        pytest.param([poll(b"pass", b"5", b"pass")], [(G[5], [5])], id="what is not ours is passed over"),
        pytest.param([poll(b"pass")], [], id="only what is not ours"),
        pytest.param([poll(b"999")], [(group, [999]) for group in G], id="a record without a key"),
        pytest.param(
            [poll(b"1", b"999", b"1")],
            [(group, [1, 999, 1] if group == G[1] else [999]) for group in G],
            id="a record without a key, in order",
        ),
        pytest.param([poll(loaded_of=2)], [(group, Loaded(0, 2)) for group in G], id="loaded"),
        pytest.param(
            [poll(b"3", b"4", partition=1, loaded_of=2)],
            [(G[3], [3]), (G[4], [4]), *((group, Loaded(1, 2)) for group in G)],
            id="loaded, after the records",
        ),
        pytest.param(
            [poll(b"?", loaded_of=1), poll(b"3", first=1)],
            [*((group, Loaded(0, 1)) for group in G), (G[3], [3])],
            id="loaded, with nothing but a failure",
        ),
    ],
)
def test_records_go_to_their_key_groups(polls: list[Poll], expected: list[Any]) -> None:
    oks, _ = run(*polls)
    assert oks == expected


def letter(offset: int, value: str, error: str, why: str, *, partition: int = 0, step: str) -> DeadLetter:
    return DeadLetter("numbers", partition, offset, offset * 1000, "aw==", value, step, error, why, None, None)


def test_failures() -> None:
    oks, errs = run(
        poll(b"1", b"?", b"3", b"break", b"5", first=40, partition=17),
        poll(b"!", first=50, partition=2),
        poll(b"6", first=51, partition=2),
        step_id="numbers",
    )
    assert oks == [(G[1], [1]), (G[3], [3]), (G[5], [5]), (G[6], [6])]
    assert errs == [
        (
            G[1],
            [
                letter(41, "Pw==", "InvalidRecord", "no number: ?", partition=17, step="numbers"),
                letter(43, "YnJlYWs=", "Unexpected", "of the decoder itself", partition=17, step="numbers"),
            ],
        ),
        (G[2], [letter(50, "IQ==", "InvalidRecord", "no number: !", partition=2, step="numbers")]),
    ]
    assert all(type(failures) is DeadLetters for _, failures in errs)


def test_a_dead_letter_keeps_the_value_as_it_was() -> None:
    long = b"long" * KEPT_BYTES
    _, [(_, letters)] = run(poll(None, b"", b"?!", long))
    assert [letter.value for letter in letters[:3]] == [None, "", "PyE="]
    assert letters[3].message == "no number: " + "long" * 5 + "; of its 2,097,152 bytes the first 524,288 are kept here"


@pytest.mark.parametrize(
    ("seen", "written"),
    [(0, [10, 11, 13]), (10, [10, 11, 13]), (11, [11, 13]), (12, [13]), (13, [13]), (14, []), (99, [])],
)
def test_dead_letters_of_an_earlier_run_are_not_written_again(seen: int, written: list[int]) -> None:
    oks, errs = run(poll(b"?", b"!", b"3", b"break", first=10, seen=seen))
    assert [letter.offset for _, letters in errs for letter in letters] == written
    assert oks == [(G[3], [3])]


def test_only_what_nobody_expected_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    run(poll(b"?", b"break", first=7, partition=2), step_id="logged")
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "logged: numbers-2-8")
    ]
    [logged] = caplog.records
    assert logged.exc_info is not None
    assert logged.exc_info[0] is Unexpected


def test_every_message_is_counted_once() -> None:
    step_id = next(step_ids)
    run(
        poll(b"1", b"?", b"pass", b"999", b"pass", b"pass", loaded_of=1),
        poll(b"?", b"break", b"2", b"pass", first=6, seen=7),
        step_id=step_id,
    )
    outcomes = "decoded", "ignored", "dead_letter", "dead_letter_again"
    counts = [
        REGISTRY.get_sample_value("decode_records_total", {"step": step_id, "outcome": outcome}) for outcome in outcomes
    ]
    assert counts == [3, 4, 2, 1]


def test_a_record_whose_key_cannot_be_told_is_a_dead_letter() -> None:
    oks, [(_, letters)] = run(poll(b"1", b"666", b"3"))
    assert oks == [(G[1], [1]), (G[3], [3])]
    assert [(letter.offset, letter.error, letter.message) for letter in letters] == [(1, "Unexpected", "of the key")]


def test_a_poll_that_cannot_be_decoded_at_once_is_decoded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    def many(_: Sequence[Message]) -> Sequence[int]:
        raise OverflowError("one of them")

    oks, [(_, letters)] = run(poll(b"1", b"?", b"3"), decoder=Decoder(number, many))
    assert oks == [(G[1], [1]), (G[3], [3])]
    assert [letter.offset for letter in letters] == [1]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("many", [lambda _: None, lambda _: [ALONE, 2, None], lambda _: [ALONE, ALONE, ALONE]])
def test_a_key_that_looks_at_nothing_gets_only_records(many: Callable[[Sequence[Message]], Any]) -> None:
    oks, dead = run(poll(b"1", b"2", b"pass"), decoder=Decoder(number, many), key_of=lambda _: 0)
    assert (oks, dead) == ([(G[0], [1, 2])], [])


def test_a_dead_letter_keeps_headers() -> None:
    sent = message(b"?", b"k", headers=[("__value_schema_id", b"\x01\xff"), ("none", b"")])
    _, [(_, [letter])] = run(Poll("numbers", 0, [sent]))
    assert letter.headers == [("__value_schema_id", "Af8="), ("none", "")]


@pytest.mark.parametrize(
    ("polls", "stops"),
    [
        pytest.param([poll(b"?", b"?", b"?")], None, id="as many as may"),
        pytest.param([poll(b"?", b"?", b"?", b"?")], "numbers-0-3", id="one too many"),
        pytest.param([poll(b"?", b"?"), poll(b"?", b"?", first=2)], "numbers-0-3", id="in two polls"),
        pytest.param([poll(b"?", b"?", b"?", b"1"), poll(b"?", first=4)], None, id="not in a row"),
        pytest.param([poll(b"?", b"1", b"?", b"?"), poll(b"?", b"?", first=4)], "numbers-0-5", id="in order"),
        pytest.param([poll(b"?", b"pass", b"?", b"?", b"?")], None, id="what is passed over has passed"),
        pytest.param([poll(b"?", b"?", b"?"), poll(loaded_of=1), poll(b"?", first=3)], "numbers-0-3", id="nothing"),
        pytest.param([poll(b"?", b"?", b"?", b"?", seen=2)], None, id="what an earlier run has written"),
        pytest.param([poll(b"?", b"!", b"?", b"666")], "numbers-0-2", id="of any kind"),
    ],
)
def test_too_many_dead_letters_stop_the_flow(
    polls: list[Poll], stops: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    limit = FailureLimit(1, 3)
    if stops is None:
        run(*polls, limit=limit)
        return
    with pytest.raises(BytewaxRuntimeError) as raised:
        run(*polls, limit=limit, step_id="limited")
    cause: BaseException | None = raised.value
    while cause is not None and not isinstance(cause, TooManyFailures):
        cause = cause.__cause__
    line = caplog.messages[-1]
    assert line == f"limited: {cause}"
    assert line.startswith("limited: 4 records in a row became dead letters")
    assert "InvalidRecord (" in line
    assert f"for example {stops}: no number: ?" in line


def test_each_step_has_a_limit_of_its_own_for_all_its_partitions() -> None:
    limit = FailureLimit(1, 3)
    run(poll(b"?", b"?"), poll(b"?", partition=1), limit=limit)
    with pytest.raises(BytewaxRuntimeError):
        run(poll(b"?", partition=2), limit=limit)
