import uuid

import pytest

from messages.wire import Framed, frame, framed_key, framed_value
from servers.embedded.messages import message

GUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
HEADER = b"\x01" + GUID.bytes


@pytest.mark.parametrize(
    ("content", "headers", "found"),
    [
        (frame(7, b"avro"), None, Framed(7, b"avro")),
        (b"\x00\x00\x00\x00\x07", None, Framed(7, b"")),
        (b"\x00\x00\x00\x07", None, None),
        (b'{"a":1}', None, None),
        (b"", None, None),
        (None, None, None),
        (b"avro", [("{}", HEADER)], Framed(GUID, b"avro")),
        (frame(7, b"avro"), [("{}", HEADER)], Framed(GUID, frame(7, b"avro"))),
        (b"avro", [("{}", HEADER + b"\x00")], Framed(GUID, b"avro")),
        (b"avro", [("{}", b"\x00\x00\x00\x00\x07")], Framed(7, b"avro")),
        (b"avro", [("{}", b"\x00\x07")], None),
        (b"avro", [("{}", b"")], None),
        (b"avro", [("other", b"x"), ("{}", HEADER)], Framed(GUID, b"avro")),
        (b"avro", [("{}", b"\x02" + GUID.bytes)], None),
        (b"avro", [("{}", HEADER[:-1])], None),
        (b"avro", [("{}", None)], None),
        (None, [("{}", HEADER)], None),
    ],
)
def test_both_forms(content: bytes | None, headers: list[tuple[str, bytes]] | None, found: Framed | None) -> None:
    def named(name: str) -> list[tuple[str, bytes]] | None:
        return headers and [(key.format(name), value) for key, value in headers]

    assert framed_value(message(content, headers=named("__value_schema_id"))) == found
    assert framed_key(message(None, content, headers=named("__key_schema_id"))) == found


def test_a_header_of_the_key_says_nothing_of_the_value() -> None:
    assert framed_value(message(b"avro", b"avro", headers=[("__key_schema_id", HEADER)])) is None
