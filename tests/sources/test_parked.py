"""What a partition parks, message by message. A message is written as its offset and key: 7a; 7- has none."""

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.message import Message
from servers.embedded.messages import message
from sources.kafka.parked import Parked

Step = tuple[str, str, str, str, str]
"""What is done, with which messages, which of all cannot be decoded yet, what comes out, what waits then."""


class Away:
    """The messages, by offset, that cannot be decoded yet."""

    def __init__(self) -> None:
        self.offsets: Collection[int | None] = ()

    def __call__(self, messages: list[Message]) -> list[int]:
        return [index for index, message in enumerate(messages) if message.offset() in self.offsets]


def read(text: str) -> list[Message]:
    return [
        message(b"value", None if word[-1] == "-" else word[-1].encode(), offset=int(word[:-1]))
        for word in text.split()
    ]


def show(messages: Sequence[Message]) -> str:
    return " ".join(f"{one.offset()}{(one.key() or b'-').decode()}" for one in messages)


def offsets(text: str) -> tuple[int, ...]:
    return tuple(int(word.rstrip("abc-")) for word in text.split())


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([("sift", "1a 2b 3a", "", "1a 2b 3a", "")], id="all can be decoded"),
        pytest.param([("sift", "", "", "", ""), ("release", "", "", "", "")], id="nothing"),
        pytest.param([("sift", "1a 2b 3c", "2", "1a 3c", "2")], id="one cannot"),
        pytest.param([("sift", "1a 2b 3c", "1 2 3", "", "1 2 3")], id="none can"),
        pytest.param([("sift", "1a 2a 3b 4a", "2", "1a 3b", "2 4")], id="of its key those after it wait"),
        pytest.param([("sift", "1- 2- 3-", "2", "1- 3-", "2")], id="null keys have no order"),
        pytest.param(
            [("sift", "1a 2b", "1", "2b", "1"), ("sift", "3b 9a", "", "3b", "1 9")],
            id="of its key those of later polls",
        ),
        pytest.param(
            [
                ("sift", "1a 2b 3c", "1 2", "3c", "1 2"),
                ("release", "", "1", "2b", "1"),
                ("sift", "4a 5b", "", "5b", "1 4"),
            ],
            id="a key that no longer waits is free",
        ),
        pytest.param(
            [("sift", "1- 2b 4b", "1 2", "", "1 2 4"), ("release", "", "", "1- 2b 4b", "")],
            id="sent on in the order of offsets",
        ),
        pytest.param(
            [("sift", "1a 2a", "1", "", "1 2"), ("release", "", "2", "1a", "2")], id="offered, one still cannot"
        ),
        pytest.param([("sift", "1a 2b", "1 2", "", "1 2"), ("release", "", "1 2", "", "1 2")], id="offered, none can"),
        pytest.param(
            [
                ("sift", "1a 2b 3- 4a 5c 6b", "1 2 3 5", "", "1 2 3 4 5 6"),
                ("release", "", "1", "2b 3- 5c", "1 4 6"),  # three at most
                ("sift", "7b 8c", "", "8c", "1 4 6 7"),
                ("release", "", "", "1a 4a 6b", "7"),
                ("release", "", "", "7b", ""),
            ],
            id="what is too much at once keeps its key waiting",
        ),
    ],
)
def test_which_messages_are_parked(steps: list[Step]) -> None:
    away = Away()
    parked = Parked(away, 100, 100, by_key=True)
    for what, given_, unready, out, waiting in steps:
        away.offsets = offsets(unready)
        assert show(parked.sift(read(given_)) if what == "sift" else parked.release(3)) == out
        assert parked.offsets == offsets(waiting)
        assert len(parked) == len(offsets(waiting))


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc-"), st.booleans()), max_size=6), max_size=6), st.integers(1, 4))
def test_nothing_is_lost_or_doubled_and_keys_keep_their_order(
    polls: list[list[tuple[str, bool]]], at_most: int
) -> None:
    away = Away()
    parked = Parked(away, 100, 100, by_key=True)
    out: list[Message] = []
    offset = 0
    for number, poll in enumerate(polls):
        words = [f"{offset + index}{key}" for index, (key, _) in enumerate(poll)]
        away.offsets = [offset + index - number % 2 for index, (_, unready) in enumerate(poll) if unready]
        offset += len(poll)
        out += parked.release(at_most)
        out += parked.sift(read(" ".join(words)))
    away.offsets = ()
    while parked:
        released = parked.release(at_most)
        assert 0 < len(released) <= at_most
        out += released
    assert sorted(one.offset() or 0 for one in out) == list(range(offset))
    for key in (b"a", b"b", b"c"):
        mine = [one.offset() or 0 for one in out if one.key() == key]
        assert mine == sorted(mine)


@pytest.mark.parametrize(
    ("expected", "reads", "following", "picked", "gone", "waiting"),
    [
        pytest.param("3 5", "3a 4a 5b 6c", 6, "3a 5b 6c", 0, "", id="those that were parked, and the new"),
        pytest.param("3 5", "3a 4a", 9, "3a", 0, "5", id="more are to come"),
        pytest.param("3 5", "4a 8c", 8, "8c", 2, "", id="all are gone"),
        pytest.param("3 5 7", "4a 5b 6a", 9, "5b", 1, "7", id="one is gone"),
        pytest.param("", "4a 8c", 8, "8c", 0, "", id="only what was sent on, and the new"),
        pytest.param("3", "9a", 4, "9a", 1, "", id="gone, and only new ones there"),
    ],
)
def test_what_is_read_again(expected: str, reads: str, following: int, picked: str, gone: int, waiting: str) -> None:
    parked = Parked(Away(), 100, 100, by_key=True)
    parked.expect(offsets(expected))
    assert parked.offsets == offsets(expected)
    assert parked.done(following) == parked.to_read(following) == min([*offsets(expected), following])
    messages, lost = parked.pick(read(reads), following)
    assert (show(messages), lost, parked.offsets) == (picked, gone, offsets(waiting))


def test_what_waits_and_what_is_expected() -> None:
    away = Away()
    away.offsets = (3,)
    parked = Parked(away, 100, 100, by_key=True)
    parked.expect((3, 5, 8))
    assert parked.sift(parked.pick(read("3a"), 9)[0]) == []
    assert (parked.offsets, len(parked)) == ((3, 5, 8), 3)
    assert (parked.done(9), parked.to_read(9)) == (3, 5)
    assert parked.forget(8) == 1
    assert (parked.offsets, parked.done(9), parked.to_read(9)) == ((3, 8), 3, 8)
    assert parked.clear() == 2
    assert (parked.offsets, parked.size, parked.done(9), parked.to_read(9)) == ((), 0, 9, 9)


@pytest.mark.parametrize(
    ("max_messages", "max_bytes", "full"),
    [
        pytest.param(3, 1000, False, id="room for one more"),
        pytest.param(2, 1000, True, id="messages"),
        pytest.param(3, 13, False, id="room for a byte"),
        pytest.param(3, 12, True, id="bytes: of two values and two keys"),
    ],
)
def test_full(max_messages: int, max_bytes: int, full: bool) -> None:
    away = Away()
    away.offsets = (7, 8)
    parked = Parked(away, max_messages, max_bytes, by_key=True)
    parked.expect(range(5))
    assert not parked.full, "before they are read they take no room"
    parked.forget(5)
    parked.sift(read("7a 8b 9c"))
    assert (parked.full, parked.size) == (full, 12)
    away.offsets = ()
    parked.release(10)
    assert (parked.full, parked.size) == (False, 0)
