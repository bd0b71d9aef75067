"""What a source partition keeps in the recovery store: JSON with the name and the version of its form.

No class is pickled, so that a store outlives a move of a module. A change of the form needs a new version: the files in
`tests/states/` show each.
"""

import msgspec

from sources.kafka.position import Position


class StateError(RuntimeError):
    """The recovery store has a state that this version cannot resume; the message is one line."""


class PartitionState(
    msgspec.Struct, frozen=True, tag_field="state", tag="sources.kafka.v1", forbid_unknown_fields=True
):
    """How far a partition of a topic was read."""

    topic: str
    position: Position


def pack(state: PartitionState) -> bytes:
    """What the recovery store keeps."""
    return msgspec.json.encode(state)


def unpack(stored: bytes, partition: str) -> PartitionState:
    """The state that ``pack`` made.

    Args:
        stored: from the recovery store; versions before 1 kept no bytes.
        partition: what the error calls it.

    Raises:
        StateError: it is of another version or form.
    """
    try:
        return msgspec.json.decode(stored, type=PartitionState)
    except (msgspec.MsgspecError, TypeError) as error:
        raise StateError(
            f"the state of {partition} in the recovery store is not {PartitionState.__struct_config__.tag} ({error}): "
            "start the version of the job that wrote it, or start with an empty store, from the group's offsets"
        ) from None
