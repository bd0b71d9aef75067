"""States of steps in the recovery store: MessagePack with a name and a version.

No class is pickled, so a module can move. A change of the state, or of the records in it, needs a new version;
`tests/states/` has a file for each.
"""

import logging
from collections import Counter
from typing import Generic, TypeVar, get_origin

import msgspec

from operators.window_counts import Key, Sums

L = TypeVar("L")
S = TypeVar("S", bound=msgspec.Struct)

log = logging.getLogger(__name__)


class StateError(RuntimeError):
    """The recovery store has a state that this version cannot read; the message is one line."""


class JoinState(
    msgspec.Struct, Generic[L], frozen=True, tag_field="state", tag="operators.join.v1", forbid_unknown_fields=True
):
    """The records of a key group that wait for a row or for the table to be complete, oldest first."""

    records: list[L]


class TallyState(msgspec.Struct, frozen=True, tag_field="state", tag="operators.tally.v1", forbid_unknown_fields=True):
    """What a worker has counted and not handed on."""

    records: list[tuple[Key, int]]
    marks: list[tuple[Key, int]]
    progress: dict[int, int]

    @classmethod
    def of(cls, sums: Sums) -> "TallyState":
        """The state of what was counted."""
        return cls([*sums.records.items()], [*sums.marks.items()], sums.progress)

    def sums(self) -> Sums:
        """What was counted."""
        return Sums(Counter(dict(self.records)), Counter(dict(self.marks)), dict(self.progress))


class WindowsState(
    msgspec.Struct, frozen=True, tag_field="state", tag="operators.windows.v1", forbid_unknown_fields=True
):
    """The open windows, and which are closed."""

    counts: list[tuple[Key, int, int]] = []
    """Each key with the numbers of its records and marks."""
    progress: dict[int, int] = {}
    closed: int = 0
    closing: int = 0


def pack(state: msgspec.Struct) -> bytes:
    """The state as bytes for the recovery store."""
    return msgspec.msgpack.encode(state)


def unpack(stored: bytes, state_type: type[S], step: str) -> S:
    """The state that ``pack`` encoded.

    Raises:
        StateError: another version, form or record type. The line is also logged, because Bytewax loses the text of an
            exception in a cluster.
    """
    try:
        return msgspec.msgpack.decode(stored, type=state_type)
    except (msgspec.MsgspecError, TypeError) as error:
        tag = (get_origin(state_type) or state_type).__struct_config__.tag
        line = (
            f"the state of {step} in the recovery store is not {tag} ({error}): start the version of the job that "
            "wrote it, or start with an empty store, without what this one holds"
        )
        log.error("%s", line, extra={"event": "a state of the recovery store is refused"})
        raise StateError(line) from None
