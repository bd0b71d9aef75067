"""A Kafka message as the decoders see it, and the batch of them that a source reads at once."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number that Java's long, and so every consumer of our topics, can hold."""


class Message(Protocol):
    """What is read of a Kafka message; ``confluent_kafka.Message`` is one."""

    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102  # pairs of name and bytes, or None; its types promise more than it gives
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class Poll(NamedTuple):
    """What one poll of one partition gave, or what of earlier ones can be decoded by now; in the partition's order."""

    topic: str
    partition: int
    messages: Sequence[Message]
    loaded_of: int | None = None
    """On the poll that reaches the end which the partition had at start: how many partitions the topic has."""
    seen: int = 0
    """Messages below this offset were read by an earlier run, too, and their dead letters written."""
