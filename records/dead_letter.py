"""A record that could not go its way, with all that is needed to read, mend and send it again."""

from base64 import b64encode

import msgspec

KEPT_BYTES = 512 * 1024
KEPT_KEY_BYTES = 64 * 1024
"""So much of a value and of a key is kept at most: in base64 they fit below librdkafka's and Kafka's default limits on
a message (1,000,000 bytes and 1 MiB)."""

_MESSAGE_CHARACTERS = 500


class DeadLetter(msgspec.Struct, gc=False):
    """Where a record was read, what it held (base64), which step gave it up, and why."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """The Kafka record's timestamp, epoch milliseconds; -1 where it has none."""
    key: str | None
    value: str | None
    step: str
    error: str
    """The kind of failure: the name of an error class."""
    message: str
    """The failure in a sentence for a person."""


def dead_letter(
    topic: str,
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    value: bytes | None,
    *,
    step: str,
    error: str,
    message: str,
) -> DeadLetter:
    """Make the dead letter of a record; of a very long key or value its beginning, and the message says so."""
    message = message[:_MESSAGE_CHARACTERS]
    if value is not None and len(value) > KEPT_BYTES:
        message = f"{message}; of its {len(value):,} bytes the first {KEPT_BYTES:,} are kept here"
        value = value[:KEPT_BYTES]
    if key is not None and len(key) > KEPT_KEY_BYTES:
        message = f"{message}; of its key's {len(key):,} bytes the first {KEPT_KEY_BYTES:,} are kept here"
        key = key[:KEPT_KEY_BYTES]
    return DeadLetter(
        topic,
        partition,
        offset,
        timestamp,
        _base64(key),
        _base64(value),
        step,
        error,
        message,
    )


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()


_encode = msgspec.json.Encoder().encode


def to_message(letter: DeadLetter) -> tuple[str, bytes, None]:
    """The Kafka message of a dead letter: key (topic, partition and offset of the record), value (JSON), no headers."""
    return f"{letter.topic}-{letter.partition}-{letter.offset}", _encode(letter), None


class _Identity(msgspec.Struct, gc=False):
    topic: str
    partition: int
    offset: int
    timestamp: int
    step: str
    destination: str | None = None


_decode_identity = msgspec.json.Decoder(_Identity).decode


def identify(value: bytes) -> tuple[str, int, int, int, str, str | None]:
    """What makes a dead letter this one: where its record was read, which step gave it up, and on the way to where."""
    it = _decode_identity(value)
    return it.topic, it.partition, it.offset, it.timestamp, it.step, it.destination
