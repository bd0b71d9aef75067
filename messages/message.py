"""A Kafka message as the decoders see it, and the poll of messages that a source emits."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number that Java's long, and so every consumer of our topics, can hold."""


class Message(Protocol):
    """The methods of a Kafka message that decoders call; ``confluent_kafka.Message`` has them."""

    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102  # pairs of name and bytes, or None; its types promise more than it gives
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class Poll(NamedTuple):
    """Messages of one partition, in its order: of one poll, or parked ones that can be decoded now."""

    topic: str
    partition: int
    messages: Sequence[Message]
    loaded_of: int | None = None
    """The number of the topic's partitions, on the poll that reaches the end that the partition had at the start."""
    seen: int = 0
    """An earlier run has read the messages below this offset, and has written their dead letters."""
