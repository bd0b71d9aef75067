"""What the join keeps in the recovery store: MessagePack with the name and the version of its form.

No class is pickled, so that a store outlives a move of a module. A change of the form, or of the records in it, needs a
new version: the files in `tests/states/` show each.
"""

import logging
from typing import Any, Generic, TypeVar

import msgspec

L = TypeVar("L")

log = logging.getLogger(__name__)


class StateError(RuntimeError):
    """The recovery store has a state that this version cannot resume; the message is one line."""


class JoinState(
    msgspec.Struct, Generic[L], frozen=True, tag_field="state", tag="operators.join.v1", forbid_unknown_fields=True
):
    """The records of a key group that wait for a row, or for the table to be complete; oldest first."""

    records: list[L]


def pack(state: JoinState[Any]) -> bytes:
    """What the recovery store keeps."""
    return msgspec.msgpack.encode(state)


def unpack(stored: bytes, record_type: type[L], step: str) -> JoinState[L]:
    """The state that ``pack`` made of records of this type.

    Raises:
        StateError: it is of another version or form, or of other records. The log has the line, too: in a cluster
            Bytewax loses the text of an exception.
    """
    try:
        return msgspec.msgpack.decode(stored, type=JoinState[record_type])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, TypeError) as error:
        line = (
            f"the state of {step} in the recovery store is not {JoinState.__struct_config__.tag} ({error}): start the "
            "version of the job that wrote it, or start with an empty store, without the records that waited"
        )
        log.error(line)
        raise StateError(line) from None
