"""What people are told of, and the messages that tell them."""

from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """A record that somebody is to be told of."""

    key: str
    """Its identity: another entry of the same key is a repetition."""
    about: str
    """Whom it is about: the cooldown counts by it."""
    to: str
    """Where it is told, a channel for instance; empty: wherever the way out tells by default."""
    at: int
    """When it happened, epoch milliseconds."""
    rank: int
    """In a digest the lowest come first."""
    content: dict[str, Any]
    """What the message is made of: plain JSON values, below 500 kB together."""


class Notice(msgspec.Struct, frozen=True):
    """A message, as it is posted and, if need be, posted again."""

    id: str
    """A UUID."""
    to: str
    keys: tuple[str, ...]
    """Of the entries that it tells."""
    about: str | None
    """Whom it is about; None: it is a digest."""
    at: int
    """When it was made, epoch milliseconds."""
    body: dict[str, Any]
    """What is posted, as its way out takes it."""
