"""Kafka messages as a consumer hands them out, for tests and measurements of code that reads them."""

import json

from confluent_kafka import Message


def message(
    value: bytes | None,
    key: bytes | None = None,
    *,
    topic: str = "a-topic",
    partition: int = 2,
    offset: int = 7,
    timestamp: int = 1_528_800_546_808,
    headers: list[tuple[str, bytes]] | None = None,
) -> Message:
    """A message as it is read from a topic."""
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers=None if headers is None else list(headers),
        timestamp=(1, timestamp),
    )


def to_json(document: object) -> bytes:
    """The document as a value."""
    return json.dumps(document).encode()


def nested(opening: str, core: str, closing: str, depth: int) -> str:
    """``core`` inside so many brackets."""
    return opening * depth + core + closing * depth
