"""The state of a sink partition in the recovery store: bytes that name their form and its version.

Bytes, because a pickled class could not be read once its module has moved.
"""

from typing import TypeVar

import msgspec

from .errors import Refused


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="form"):
    """The state of one lane. A subclass has a tag: ``sinks.NAME.vN``, with another N whenever a field changes."""


S = TypeVar("S", bound=State)


class StateError(Refused):
    """The recovery store has a state that this version cannot read."""


def encode(state: State) -> bytes:
    """The state as ``snapshot()`` returns it."""
    return _encoder.encode(state)


def decode(kind: type[S], state: bytes) -> S:
    """The state as ``build_part()`` is given it.

    Raises:
        StateError: it is not of this kind and version.
    """
    try:
        return msgspec.msgpack.decode(state, type=kind)
    except (TypeError, msgspec.MsgspecError):  # before there were versions, states were not bytes
        raise StateError(
            f"the recovery store has a state of {_form(state)}, and this version of the job reads only "
            f"{kind.__struct_config__.tag}: run the version that wrote it, or start with an empty recovery store, and "
            "without the records that are only in the old one"
        ) from None


def _form(state: bytes) -> str:
    try:
        return str(msgspec.msgpack.decode(state)["form"])
    except (TypeError, KeyError, msgspec.MsgspecError):
        return "an unknown form"


_encoder = msgspec.msgpack.Encoder()
