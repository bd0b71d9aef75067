"""A message as the Kafka sink takes it, and the identity by which a message that is already written is recognised."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

Key = str | bytes | None
Headers = Any
"""Pairs of a name and bytes, or None."""


class KafkaRecord(Protocol):
    """Anything with the key, value and headers of a message. Its other attributes are not written."""

    @property
    def key(self) -> Key:
        """The partition follows from it; None: any partition."""

    @property
    def value(self) -> bytes:
        """The message's content."""

    @property
    def headers(self) -> Headers:
        """See ``Headers``."""


class KafkaMessage(NamedTuple):
    """A record that is a message and nothing else."""

    key: Key
    value: bytes
    headers: Headers = None


Rejected = Callable[[KafkaRecord, str], tuple[str, KafkaRecord]]
"""From a message that its topic refuses, and the reason: the topic and the message that is written in its place."""


@dataclass(frozen=True)
class Identity:
    """What makes two messages of a topic the same message, written twice: the coordinates of their source, say.

    Both functions give equal identities for a record and for the message that it became. Different messages have
    different identities: otherwise one of them would not be written.
    """

    of_record: Callable[[KafkaRecord], Hashable]
    """The identity of a record that is about to be written."""
    of_message: Callable[[bytes | None, bytes | None, Headers], Hashable]
    """The identity of a message that was read back: key, value and headers. None, or an exception, for a message that
    this sink did not write."""
    remember: timedelta = timedelta(minutes=10)
    """How long after a start messages of the earlier run are recognised: at least as long as the flow may hold a
    record back."""
