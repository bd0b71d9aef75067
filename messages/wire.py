"""Confluent's wire format: the schema of a message's bytes.

There are two forms. The older: a byte 0x00, the schema's id in four bytes, big endian, then the Avro. The newer: a
header of the record, which holds a byte 0x01 and the schema's GUID in sixteen bytes (or the older form's five), and the
bytes are Avro throughout.
Both are as the serializers of confluent-kafka write them (``confluent_kafka.schema_registry.serde``).
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from messages.message import Message

SchemaId = int | UUID

FRAME = 0x00
FRAME_BYTES = 5

_GUID, _GUID_BYTES = 0x01, 17
_KEY_HEADER, _VALUE_HEADER = _HEADERS = "__key_schema_id", "__value_schema_id"


class Framed(NamedTuple):
    """Avro bytes and the schema that they were written with."""

    schema: SchemaId
    payload: bytes


def framed_value(message: Message) -> Framed | None:
    """The value's schema and bytes; None if it has neither form."""
    return _framed(message.value(), message, _VALUE_HEADER)


def framed_key(message: Message) -> Framed | None:
    """The key's schema and bytes; None if it has neither form."""
    return _framed(message.key(), message, _KEY_HEADER)


def carry_guids(messages: Iterable[Message]) -> bool:
    """Whether any of the messages has the newer form."""
    return any(name in _HEADERS for message in messages for name, _ in message.headers() or ())


def frame(schema: int, payload: bytes) -> bytes:
    """Avro bytes in the older form."""
    return b"\x00" + schema.to_bytes(4, "big") + payload


def _framed(content: bytes | None, message: Message, header: str) -> Framed | None:
    if content is None:
        return None
    for name, value in message.headers() or ():
        if name == header and value:
            if value[0] == _GUID and len(value) >= _GUID_BYTES:  # Protobuf has more behind it
                return Framed(UUID(bytes=bytes(value[1:_GUID_BYTES])), content)
            if value[0] == FRAME and len(value) == FRAME_BYTES:
                return Framed(int.from_bytes(value[1:], "big"), content)
    if len(content) >= FRAME_BYTES and content[0] == FRAME:
        return Framed(int.from_bytes(content[1:FRAME_BYTES], "big"), content[FRAME_BYTES:])
    return None
