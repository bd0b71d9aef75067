"""The id of a customer: from a column of the row, else from the key in one of its forms.

The forms of a key: ``{"id":1}``, the same with schema and payload or with capitals, ``"1"``, ``1``.
"""

import msgspec

from messages import frames
from messages.errors import InvalidRecord
from messages.json import plain
from messages.message import Message
from messages.names import Names
from messages.numbers import whole_id

Column = int | float | str | None


class _Key(msgspec.Struct, gc=False):
    id: Column = None
    payload: "_Key | int | float | str | None" = None


_decode = msgspec.json.Decoder(_Key | int | float | str | None).decode
_NAMES = Names(["id", "payload"])
_WHAT = "the customer id"


def customer_id(column: Column, message: Message) -> int:
    """The id that a column or else the message's key holds.

    Raises:
        InvalidRecord: there is none, or it is no whole number.
    """
    if column is None:
        key = message.key()
        if not key:
            raise InvalidRecord("there is no customer id, neither in the key nor in the value")
        column = _of_key(key)
    if type(column) is int and -(2**63) <= column < 2**63:
        return column
    return whole_id(_WHAT, column)


def _of_key(key: bytes) -> Column:
    try:
        found: _Key | Column = _decode(key)
    except msgspec.ValidationError:
        found = None
    except (ValueError, RecursionError):
        framed = frames.unframed(key)
        if framed is None:
            return key[:80].decode(errors="replace")
        try:
            msgspec.json.decode(framed)
        except (ValueError, RecursionError):
            raise InvalidRecord(
                "the key is Avro or Protobuf in a schema registry's frame, and JSON is read here: "
                "is SCHEMA_REGISTRY_URL set, and the topic's format auto or avro?"
            ) from None
        return _of_key(framed)
    if isinstance(found, _Key) and found.payload is not None:
        found = found.payload
    column = found.id if isinstance(found, _Key) else found
    return _unusual(key) if column is None or (isinstance(found, _Key) and _NAMES.with_capitals_in(key)) else column


def _unusual(key: bytes) -> Column:
    try:
        column = (plain(msgspec.json.decode(key), _NAMES) or {}).get("id")
    except InvalidRecord as error:
        raise InvalidRecord(f"the key has no customer id: {error}") from None
    except (ValueError, RecursionError):
        column = None
    if isinstance(column, dict | str | float):
        return whole_id(_WHAT, column)
    if type(column) is not int:
        raise InvalidRecord(f"the key has no customer id: {key[:80].decode(errors='replace')}")
    return column
