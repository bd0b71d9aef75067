import json
from base64 import b64decode

import pytest

from records.dead_letter import KEPT_BYTES, DeadLetter, dead_letter, to_message

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
    }


@pytest.mark.parametrize("size", [KEPT_BYTES - 1, KEPT_BYTES, KEPT_BYTES + 1, 2 * KEPT_BYTES])
def test_a_value_is_kept_up_to_a_size(size: int) -> None:
    value = b"0123456789abcdef" * (size // 16 + 1)
    found = letter(None, value[:size])
    assert found.value is not None
    assert b64decode(found.value) == value[: min(size, KEPT_BYTES)]
    assert (f"of its {size:,} bytes the first 524,288 are kept here" in found.message) == (size > KEPT_BYTES)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param(b"k", b"v" * 5_000_000, "why", id="value"),
        pytest.param(b"k" * 1_000_000, b"v", "why", id="key"),
        pytest.param(b"k", b"v", "op must be one of c, u, d, not " + "x" * 1_000_000, id="message"),
        pytest.param(b"k", b"v", "\0" * 1_000_000, id="message in escapes"),
        pytest.param(b"k" * 5_000_000, b"v" * 5_000_000, "😀" * 1_000_000, id="all"),
    ],
)
def test_a_dead_letter_fits_into_a_message(key: bytes, value: bytes, message: str) -> None:
    """What cannot be written would stop the flow at every start."""
    name, written, _ = to_message(letter(key, value, message))
    assert len(name) + len(written) < LIMIT
    assert json.loads(written)["message"].startswith(message[:100])


def test_what_was_cut_is_told() -> None:
    found = letter(b"k" * 1_000_000, b"v" * 1_000_000)
    assert found.message.startswith("the value is not JSON; ")
    assert found.message.count("1,000,000") == 2
