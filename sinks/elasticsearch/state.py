"""The state of a lane of the Elasticsearch sink."""

from ..state import State


class LaneState(State, frozen=True, tag="sinks.elasticsearch.v1"):
    """The documents that are not answered."""

    chunks: tuple[bytes, ...]
    """In order; each is a list of operations as MessagePack, compressed with Zstandard."""
