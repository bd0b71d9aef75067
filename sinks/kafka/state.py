"""The state of a lane of the Kafka sink."""

from ..state import State
from .spans import Span


class LaneState(State, frozen=True, tag="sinks.kafka.v1"):
    """Where messages may be that a later run writes again: in the spans, and above the ends."""

    topic: str
    topic_id: str | None
    """None where the brokers did not tell it. A topic that was deleted and made again has another one."""
    spans: tuple[Span, ...]
    """Written by earlier runs after their last durable snapshots, and not written again yet."""
    ends: tuple[int, ...]
    """The end offset of each partition at the snapshot."""
