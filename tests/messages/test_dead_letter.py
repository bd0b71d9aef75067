import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.dead_letter import (
    KEPT_BYTES,
    DeadLetter,
    NotKept,
    Original,
    Refused,
    dead_letter,
    from_message,
    of_message,
    of_refused,
    original,
    to_message,
)
from servers.embedded.messages import message as kafka_message

FIELDS = [
    "topic",
    "partition",
    "offset",
    "timestamp",
    "key",
    "value",
    "step",
    "error",
    "message",
    "output",
    "destination",
]

LIMIT = 1_000_000
"""librdkafka's default limit on a message, in bytes."""


def letter(key: bytes | None, value: bytes | None, message: str = "the value is not JSON") -> DeadLetter:
    return dead_letter(
        "ratings", 2, 7, 1_528_800_546_808, key, value, step="decode_ratings", error="NotJson", message=message
    )


@pytest.mark.parametrize(
    ("key", "value", "in_base64"),
    [
        (b"5", b"not json", ("NQ==", "bm90IGpzb24=")),
        (b"\x00\xff", b"\xff\xfe", ("AP8=", "//4=")),
        (b"", b"", ("", "")),
        (None, None, (None, None)),
    ],
)
def test_message(key: bytes | None, value: bytes | None, in_base64: tuple[str | None, str | None]) -> None:
    name, written, _ = to_message(letter(key, value))
    assert list(json.loads(written)) == FIELDS
    assert name == "ratings-2-7"
    assert json.loads(written) == {
        "topic": "ratings",
        "partition": 2,
        "offset": 7,
        "timestamp": 1528800546808,
        "key": in_base64[0],
        "value": in_base64[1],
        "step": "decode_ratings",
        "error": "NotJson",
        "message": "the value is not JSON",
        "output": None,
        "destination": None,
    }


@pytest.mark.parametrize("size", [KEPT_BYTES - 1, KEPT_BYTES, KEPT_BYTES + 1, 2 * KEPT_BYTES])
def test_a_value_is_kept_up_to_a_size(size: int) -> None:
    value = b"0123456789abcdef" * (size // 16 + 1)
    found = letter(None, value[:size])
    assert found.value is not None
    assert b64decode(found.value) == value[: min(size, KEPT_BYTES)]
    assert (f"of its {size:,} bytes the first 524,288 are kept here" in found.message) == (size > KEPT_BYTES)


HEADERS: list[tuple[str, bytes | None]] = [("__value_schema_id", b"\x01\xff"), ("trace", b""), ("none", None)]
MANY: list[tuple[str, bytes | None]] = [("\0", b"")] * 100_000


@pytest.mark.parametrize(
    ("key", "value", "headers", "output", "message"),
    [
        pytest.param(b"k", b"v" * 5_000_000, None, None, "why", id="value"),
        pytest.param(b"k" * 1_000_000, b"v", None, None, "why", id="key"),
        pytest.param(b"k", b"v", None, None, "op must be one of c, u, d, not " + "x" * 1_000_000, id="message"),
        pytest.param(b"k", b"v", None, None, "\0" * 1_000_000, id="message in escapes"),
        pytest.param(b"k", b"v", None, b"o" * 5_000_000, "why", id="output"),
        pytest.param(b"k", b"v" * 5_000_000, None, b"o" * 5_000_000, "why", id="value and output"),
        pytest.param(b"k", b"v" * KEPT_BYTES, None, b"o" * KEPT_BYTES, "why", id="both as long as may be"),
        pytest.param(b"k", b"v", MANY, None, "why", id="headers"),
        pytest.param(b"k", b"v", [("\0" * 16_000, b"v")], None, "why", id="a header in escapes"),
        pytest.param(
            b"k" * 5_000_000, b"v" * 5_000_000, [("\0" * 16_000, b"")], b"o" * 9_000_000, "😀" * 1_000_000, id="all"
        ),
    ],
)
def test_a_dead_letter_fits_into_a_message(
    key: bytes, value: bytes, headers: Any, output: bytes | None, message: str
) -> None:
    """What cannot be written would stop the flow at every start."""
    where = "ratings" * 30, 2, 7, 1, key, value, headers
    about = {"step": "step", "error": "TooLarge", "message": message}
    name, written, about_it = to_message(
        dead_letter(*where, **about, output=output, destination="x" * 10_000)  # type: ignore[arg-type]
    )
    assert len(name) + len(written) + sum(len(header) + len(text) for header, text in about_it) < LIMIT
    assert json.loads(written)["message"].startswith(message[:100])


def test_what_was_cut_is_told() -> None:
    found = letter(b"k" * 1_000_000, b"v" * 1_000_000)
    assert found.message.startswith("the value is not JSON; ")
    assert found.message.count("1,000,000") == 2


REFUSED = Refused(2, 7, 1_528_800_546_808, "enriched", "MessageTooLarge", "too large", b"the output", "a-topic")
WRITTEN = kafka_message(b"the value", b"the key", headers=[("a", b"b")])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            WRITTEN,
            ("dGhlIGtleQ==", "dGhlIHZhbHVl", [("a", "Yg==")], "whole", "too large"),
            id="there",
        ),
        pytest.param(None, (None, None, None, "gone", "too large; the original is no longer on the topic"), id="gone"),
    ],
)
def test_what_was_refused_is_beside_the_original(found: Any, expected: tuple[Any, ...]) -> None:
    about = of_refused("ratings", REFUSED, found)
    assert (about.key, about.value, about.headers, about.original, about.message) == expected
    assert (about.topic, about.partition, about.offset, about.timestamp) == ("ratings", 2, 7, 1_528_800_546_808)
    assert (about.step, about.error) == ("enriched", "MessageTooLarge")
    assert (about.output, about.destination) == (b64encode(b"the output").decode(), "a-topic")


def test_the_output_takes_the_room_that_the_value_leaves() -> None:
    long = kafka_message(b"v" * (KEPT_BYTES - 1000))
    about = of_refused("ratings", REFUSED._replace(output=b"o" * 5000), long)
    assert len(b64decode(str(about.output))) == 1000
    assert about.message == "too large; of the output's 5,000 bytes the first 1,000 are kept here"
    assert about.original == "whole"


def test_headers_are_those_of_connect() -> None:
    _, _, headers = to_message(of_message("ratings", WRITTEN, step="join", error="KeyError", reason="“why” \ud800"))
    assert dict(headers) == {
        "__connect.errors.topic": b"ratings",
        "__connect.errors.partition": b"2",
        "__connect.errors.offset": b"7",
        "__connect.errors.stage": b"join",
        "__connect.errors.exception.class.name": b"KeyError",
        "__connect.errors.exception.message": "“why” ?".encode(),
    }


TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@given(
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.none() | st.lists(st.tuples(TEXT, st.none() | st.binary())),
    TEXT,
    TEXT,
    st.integers(-(2**63), 2**63 - 1),
)
def test_the_original_comes_back_whatever_it_holds(
    key: bytes | None, value: bytes | None, headers: Any, reason: str, error: str, timestamp: int
) -> None:
    about = dead_letter("t", 1, 2, timestamp, key, value, headers, step=reason, error=error, message=reason)
    _, written, _ = to_message(about)
    clean = [(name.encode(errors="replace").decode(), content) for name, content in headers or ()]
    assert original(from_message(written)) == Original("t", 1, 2, timestamp, key, value, clean or None)


OLD = {
    "topic": "ratings",
    "partition": 2,
    "offset": 7,
    "timestamp": 5,
    "key": "aw==",
    "value": "dg==",
    "step": "decode_ratings",
    "error": "NotJson",
    "message": "why",
}
"""As earlier versions wrote it."""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, None, id="of an earlier version"),
        pytest.param({"step": "join"}, None, id="of an earlier version's join"),
        pytest.param({"step": "search"}, "holds the output, by an earlier version", id="an earlier version's output"),
        pytest.param({"step": "enriched"}, "holds the output, by an earlier version", id="another one"),
        pytest.param(
            {"value": b64encode(b"v" * KEPT_BYTES).decode()}, "was too large to be kept whole", id="cut earlier"
        ),
        pytest.param({"output": None, "destination": None}, None, id="whole"),
        pytest.param({"output": "bw==", "destination": "an-index", "step": "search"}, None, id="whole, of an index"),
        pytest.param(
            {"output": None, "destination": None, "value": b64encode(b"v" * KEPT_BYTES).decode()}, None, id="long"
        ),
        pytest.param(
            {"output": None, "destination": None, "original": "cut"}, "was too large to be kept whole", id="cut"
        ),
        pytest.param({"output": "bw==", "destination": "i", "original": "gone"}, "was gone from its topic", id="gone"),
        pytest.param({"value": "?"}, "is no dead letter", id="no base64"),
        pytest.param({"partition": None}, "is no dead letter", id="no partition"),
    ],
)
def test_which_letters_hold_their_original(changes: dict[str, Any], why: str | None) -> None:
    def read() -> Original:
        return original(from_message(json.dumps({**OLD, **changes}).encode()))

    if why is None:
        assert read()[:5] == ("ratings", 2, 7, 5, b"k")
        return
    with pytest.raises(NotKept) as raised:
        read()
    assert str(raised.value) == why


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", b"\xff", b'{"topic":1}'])
def test_what_is_no_dead_letter(value: bytes | None) -> None:
    with pytest.raises(NotKept, match="is no dead letter"):
        from_message(value)
