"""A record that could not be processed, with everything needed to read it, correct the cause and send it again."""

from base64 import b64decode, b64encode
from typing import Literal, NamedTuple

import msgspec

from messages.message import Message

KEPT_BYTES = 512 * 1024
KEPT_KEY_BYTES = 64 * 1024
KEPT_HEADERS_BYTES = 16 * 1024
"""The most that a letter keeps of value and output together, of a key, and of headers. In base64 they stay below the
default limits of librdkafka and Kafka on a message (1,000,000 bytes and 1 MiB)."""

_HEADER_BYTES = 16
"""Counted for each header, in addition to name and value."""

_MESSAGE_CHARACTERS = 500

Headers = list[tuple[str, bytes | None]]


class DeadLetter(msgspec.Struct, gc=False, omit_defaults=True):
    """The place of a record, its content (base64), the step that failed, and the reason."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """The Kafka record's timestamp, epoch milliseconds; -1: none."""
    key: str | None
    value: str | None
    step: str
    error: str
    """The kind of failure: the name of an error class."""
    message: str
    """The failure in a sentence for a person."""
    output: str | msgspec.UnsetType | None = msgspec.UNSET
    """The bytes that a destination refused (base64); None if there are none. Letters of earlier versions lack the
    field, and hold the output as their value."""
    destination: str | msgspec.UnsetType | None = msgspec.UNSET
    """The topic, index or bucket that refused the output."""
    headers: list[tuple[str, str | None]] | None = None
    """The record's headers (base64); None if it has none."""
    original: Literal["whole", "cut", "gone"] = "whole"
    """Whether the letter has the whole record, a part of a record that is too large, or nothing, because the record was
    gone from its topic."""


def dead_letter(
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers | None = None,
    *,
    step: str,
    error: str,
    message: str,
    output: bytes | None = None,
    destination: str | None = None,
    gone: bool = False,
) -> DeadLetter:
    """Make the dead letter of a record.

    It keeps the beginning of a very long key, value or output, and no headers if they are too large; the message says
    so.

    Args:
        topic: The topic that the record was read from.
        partition: The record's partition.
        offset: The record's offset.
        timestamp: The record's timestamp, epoch milliseconds.
        key: As it was read.
        value: As it was read.
        headers: As they were read.
        step: The step that failed.
        error: The kind of failure.
        message: The failure in a sentence.
        output: The bytes made from the record that were refused.
        destination: The topic, index or bucket that refused them.
        gone: Whether the record is no longer on its topic; then key, value and headers are None.
    """
    remarks = []
    if gone:
        remarks.append(
            "the original is no longer on the topic" if partition >= 0 else "it is not known where it was read"
        )
    kept_value = _cut(value, KEPT_BYTES, "its", remarks)
    kept_key = _cut(key, KEPT_KEY_BYTES, "its key's", remarks)
    if sum(len(name) + len(content or b"") + _HEADER_BYTES for name, content in headers or ()) > KEPT_HEADERS_BYTES:
        headers = None
        remarks.append("its headers are too large to be kept here")
    original: Literal["whole", "cut", "gone"] = "gone" if gone else "cut" if remarks else "whole"
    kept_output = _cut(output, KEPT_BYTES - len(kept_value or b""), "the output's", remarks)
    return DeadLetter(
        topic,
        partition,
        offset,
        timestamp,
        _base64(kept_key),
        _base64(kept_value),
        _text(step),
        _text(error),
        "; ".join([_text(message[:_MESSAGE_CHARACTERS]), *remarks]),
        _base64(kept_output),
        None if destination is None else _text(destination[:_MESSAGE_CHARACTERS]),
        [(_text(name), _base64(content)) for name, content in headers] if headers else None,
        original,
    )


def of_message(topic: str, message: Message, *, step: str, error: str, reason: str) -> DeadLetter:
    """The dead letter of a message that ``step`` could not process."""
    return dead_letter(
        topic,
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers(),
        step=step,
        error=error,
        message=reason,
    )


class Refused(NamedTuple):
    """A record, or an output made from it, that a step or a destination refused."""

    partition: int
    """With ``offset`` and ``timestamp`` (epoch milliseconds), the origin of the record."""
    offset: int
    timestamp: int
    step: str
    error: str
    reason: str
    output: bytes | None = None
    destination: str | None = None


def of_refused(topic: str, refused: Refused, original: Message | None) -> DeadLetter:
    """The dead letter of a refused record of ``topic``; ``original`` is None if the record is gone."""
    return dead_letter(
        topic,
        refused.partition,
        refused.offset,
        refused.timestamp,
        None if original is None else original.key(),
        None if original is None else original.value(),
        None if original is None else original.headers(),
        step=refused.step,
        error=refused.error,
        message=refused.reason,
        output=refused.output,
        destination=refused.destination,
        gone=original is None,
    )


_encode = msgspec.json.Encoder().encode


def to_message(letter: DeadLetter) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    """The Kafka message of a dead letter: key (topic, partition and offset of the record), value (JSON) and headers.

    The headers are those of Kafka Connect's dead letter queues that apply here.
    """
    return f"{letter.topic}-{letter.partition}-{letter.offset}", _encode(letter), _headers(letter)


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    about = {
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "stage": letter.step,
        "exception.class.name": letter.error,
        "exception.message": letter.message,
    }
    return [(f"__connect.errors.{name}", text.encode()) for name, text in about.items()]


class NotKept(ValueError):
    """A dead letter does not hold the whole record; the message says why, in a few words."""


class Original(NamedTuple):
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None


_decode = msgspec.json.Decoder(DeadLetter).decode


def from_message(value: bytes | None) -> DeadLetter:
    """Read what ``to_message`` wrote.

    Raises:
        NotKept: it is not a dead letter.
    """
    try:
        return _decode(value or b"")
    except ValueError:
        raise NotKept("is no dead letter") from None


def original(letter: DeadLetter) -> Original:
    """The record that a dead letter is about.

    Raises:
        NotKept: the letter has only a part of the record, or nothing.
    """
    if letter.original == "gone":
        raise NotKept("was gone from its topic")
    if letter.destination is msgspec.UNSET and not letter.step.startswith(_STEPS_THAT_KEPT_THE_INPUT):
        raise NotKept("holds the output, by an earlier version")
    value, key = _bytes(letter.value), _bytes(letter.key)
    cut = letter.destination is msgspec.UNSET and (len(value or b"") >= KEPT_BYTES or len(key or b"") >= KEPT_KEY_BYTES)
    if letter.original == "cut" or cut:
        raise NotKept("was too large to be kept whole")
    headers = None if letter.headers is None else [(name, _bytes(content)) for name, content in letter.headers]
    return Original(letter.topic, letter.partition, letter.offset, letter.timestamp, key, value, headers)


_STEPS_THAT_KEPT_THE_INPUT = "decode_", "join"
"""Steps whose letters of earlier versions hold the input."""


def _bytes(text: str | None) -> bytes | None:
    try:
        return None if text is None else b64decode(text, validate=True)
    except ValueError:
        raise NotKept("is no dead letter") from None


def _cut(content: bytes | None, kept: int, whose: str, remarks: list[str]) -> bytes | None:
    """The content, or its beginning and a remark if it is too long."""
    if content is None or len(content) <= kept:
        return content
    remarks.append(f"of {whose} {len(content):,} bytes the first {kept:,} are kept here")
    return content[:kept]


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


class _Identity(msgspec.Struct, gc=False):
    topic: str
    partition: int
    offset: int
    timestamp: int
    step: str
    destination: str | None = None


_decode_identity = msgspec.json.Decoder(_Identity).decode


def identify(value: bytes) -> tuple[str, int, int, int, str, str | None]:
    """The identity of a dead letter: the origin of its record, the step that failed, and the destination."""
    it = _decode_identity(value)
    return it.topic, it.partition, it.offset, it.timestamp, it.step, it.destination


def _text(text: str) -> str:
    """The text without lone surrogates, which UTF-8 cannot encode."""
    return text.encode(errors="replace").decode()
