"""The join's state in the recovery store: MessagePack with a name and a version.

No class is pickled, so a module can move. A change of the state, or of the records in it, needs a new version;
`tests/states/` has a file for each.
"""

import logging
from typing import Any, Generic, TypeVar

import msgspec

L = TypeVar("L")

log = logging.getLogger(__name__)


class StateError(RuntimeError):
    """The recovery store has a state that this version cannot read; the message is one line."""


class JoinState(
    msgspec.Struct, Generic[L], frozen=True, tag_field="state", tag="operators.join.v1", forbid_unknown_fields=True
):
    """The records of a key group that wait for a row or for the table to be complete, oldest first."""

    records: list[L]


def pack(state: JoinState[Any]) -> bytes:
    """The state as bytes for the recovery store."""
    return msgspec.msgpack.encode(state)


def unpack(stored: bytes, record_type: type[L], step: str) -> JoinState[L]:
    """The state of records of ``record_type`` that ``pack`` encoded.

    Raises:
        StateError: another version, form or record type. The line is also logged, because Bytewax loses the text of an
            exception in a cluster.
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
