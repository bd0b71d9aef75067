"""Customers, and their changes as Debezium's change data capture writes them.

The shapes, each with and without Kafka Connect's ``schema`` and ``payload``:

- flattened: the row itself; a delete is a tombstone, the text ``null``, or ``__deleted`` or ``__op`` in the row;
- envelope: ``before``, ``after`` and ``op`` (c create, u update, d delete, r snapshot read, t truncate).

What else a connector writes beside the rows (schema changes, heartbeats, transaction markers) is no change.

Where a change stands in its database's log is told by an envelope's ``source``, and by a flattened row if its
``ExtractNewRecordState`` has ``add.fields`` such as ``op,source.ts_ms,source.file,source.pos,source.row``.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from records.errors import DecodeError, InvalidRecord
from records.log_position import log_position
from records.message import Int64, Message
from records.unwrap import check, malformed, unwrap

_Id = Int64 | str | None


class Customer(msgspec.Struct, gc=False):
    """What an enriched rating tells of its customer."""

    first_name: str | None
    last_name: str | None
    full_name: str | None
    """Those of the two names that are neither null nor empty, joined by a space; else null."""
    email: str | None
    club_status: str | None
    region: str | None


class CustomerChange(msgspec.Struct, gc=False):
    """The customer ``id`` is now ``customer``, or deleted where that is None.

    Without an ``id`` every customer is deleted: the table was truncated.
    """

    id: int | None
    customer: Customer | None
    position: bytes | None = None
    """Where the change stands in its database's log, in the form of ``records/log_position.py``; None: not told."""


class _Row(msgspec.Struct, gc=False):
    id: _Id = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    club_status: str | None = None
    region: str | None = None


class _Source(msgspec.Struct, gc=False):
    ts_ms: Any = None
    file: Any = None
    pos: Any = None
    row: Any = None


class _Change(_Row, gc=False):
    op: str | None = None
    before: _Row | None = None
    after: _Row | None = None
    source: _Source | list[Any] | str | int | float | bool | None = None
    """Of an envelope; a row may have a column of this name."""
    deleted: str | bool | None = msgspec.field(name="__deleted", default=None)
    row_op: str | None = msgspec.field(name="__op", default=None)
    # Fields of ``source`` that are added to a flattened row are named with it or without. Not so ``ts_ms``: without,
    # it is the connector's clock.
    source_ts_ms: Any = msgspec.field(name="__source_ts_ms", default=None)
    source_file: Any = msgspec.field(name="__source_file", default=None)
    source_pos: Any = msgspec.field(name="__source_pos", default=None)
    source_row: Any = msgspec.field(name="__source_row", default=None)
    file: Any = msgspec.field(name="__file", default=None)
    pos: Any = msgspec.field(name="__pos", default=None)
    row: Any = msgspec.field(name="__row", default=None)
    payload: "_Change | msgspec.UnsetType | None" = msgspec.UNSET
    # Their presence tells the records that are no change:
    ddl: Any = msgspec.UNSET
    data_collections: Any = msgspec.UNSET


class _Key(msgspec.Struct, gc=False):
    id: int | str | None = None
    payload: "_Key | int | str | None" = None


_decode_value = msgspec.json.Decoder(_Change | None).decode
_decode_key = msgspec.json.Decoder(_Key | int | str | None).decode
_EMPTY = _Row()

FIELDS = frozenset(
    field.encode_name
    for kind in (_Change, _Source)
    for field in msgspec.structs.fields(kind)
    if field.encode_name != "payload"
)
"""What is read of a change's fields, at any depth, in lower case."""
_MAX_SHARED = 50_000
_WHOLE_NUMBER = re.compile("-?[0-9]{1,20}")


def decode(message: Message) -> CustomerChange | None:
    """Read a change of a customer from any of the shapes above.

    Returns:
        None for a record that is no change of a customer.

    Raises:
        DecodeError: the record is no change, nor one of those known to stand beside them.
    """
    value = message.value()
    if value is None:
        return CustomerChange(_id(None, message), None)
    check(value)
    try:
        change = _decode_value(value)
        return CustomerChange(_id(None, message), None) if change is None else _read(change, message)
    except (msgspec.ValidationError, InvalidRecord):
        return _decode_unusual(value, message)
    except (ValueError, RecursionError) as error:
        raise malformed(value, error) from None


def from_fields(message: Message, fields: Any) -> CustomerChange | None:
    """Make a change of the fields that its value held, their names in lower case; None for one that is no change.

    Raises:
        msgspec.ValidationError, DecodeError: they are not those of a change.
    """
    if fields is None:
        return CustomerChange(_id(None, message), None)
    if isinstance(fields, dict):
        if fields.keys() == {"ts_ms"} or "tablechanges" in fields:
            return None  # a heartbeat; a schema change
        if fields.get("id") is not None:
            fields.pop("payload", None)
    return _read(msgspec.convert(fields, _Change), message)


def many_from_fields(messages: Sequence[Message], rows: list[Any]) -> list[CustomerChange | None]:
    """As ``from_fields``, of rows of fields in Debezium's shapes."""
    return list(map(_read, msgspec.convert(rows, list[_Change]), messages))


def _decode_unusual(value: bytes, message: Message) -> CustomerChange | None:
    """Read names in capitals and Avro's unions; tell what is no change from what is broken."""
    try:
        return from_fields(message, unwrap(value))
    except msgspec.ValidationError as error:
        raise malformed(value, error) from None


def _read(change: _Change, message: Message) -> CustomerChange | None:
    # A row has an id, and may have columns of these names.
    if change.id is None and change.payload is not msgspec.UNSET:
        if change.payload is None:
            return CustomerChange(_id(None, message), None)
        change = change.payload
    if (change.id is None and change.ddl is not msgspec.UNSET) or change.data_collections is not msgspec.UNSET:
        return None
    if change.op is None:
        position = None if change.source_ts_ms is None else _added_position(change)
        if change.row_op == "d" or (change.deleted is not None and change.deleted in ("true", True)):
            return _deleted(change, message, position)
        return _became(change, message, position)
    match change.op:
        case "c" | "u" | "r":
            return _became(change.after or _EMPTY, message, _position(change))
        case "d":
            return _deleted(change.before or _EMPTY, message, _position(change))
        case "t":
            return CustomerChange(None, None, _position(change))
        case "m":  # a message that an application wrote into the database's log
            return None
    raise InvalidRecord(f"op must be one of c, u, d, r, t, not {change.op}")


def _position(envelope: _Change) -> bytes | None:
    source = envelope.source
    if not isinstance(source, _Source):
        return None
    return log_position(source.ts_ms, source.file, source.pos, source.row, read=envelope.op == "r")


def _added_position(row: _Change) -> bytes | None:
    file = row.file if row.source_file is None else row.source_file
    pos = row.pos if row.source_pos is None else row.source_pos
    number = row.row if row.source_row is None else row.source_row
    return log_position(row.source_ts_ms, file, pos, number, read=row.row_op == "r")


def _became(row: _Row, message: Message, position: bytes | None) -> CustomerChange:
    first, last, status, region = row.first_name, row.last_name, row.club_status, row.region
    if row.id is None and first is last is row.email is status is region is None:
        raise InvalidRecord("there is no row of a customer: none of its columns, or an envelope without op")
    return CustomerChange(
        _id(row.id, message),
        Customer(
            first and _shared(first),
            last and _shared(last),
            f"{first} {last}" if first and last else first or last or None,
            row.email,
            status and _shared(status),
            region and _shared(region),
        ),
        position,
    )


_texts: dict[str, str] = {}


def _shared(text: str) -> str:
    """The same text, as one that others have, too: most of a million customers' names take no memory of their own."""
    known = _texts.get(text)
    if known is None:
        known = text
        if len(_texts) < _MAX_SHARED:
            _texts[text] = text
    return known


def _deleted(row: _Row, message: Message, position: bytes | None) -> CustomerChange:
    return CustomerChange(_id(row.id, message), None, position)


def _id(column: int | str | None, message: Message) -> int:
    """The customer's id from the row's column, else from the key in one of its forms.

    The forms of a key: ``{"id":1}``, the same with schema and payload or in capitals, ``"1"``, ``1``.
    """
    if column is None:
        key = message.key()
        if not key:
            raise InvalidRecord("there is no customer id, neither in the key nor in the value")
        column = _key_id(key)
    if isinstance(column, str):
        if not _WHOLE_NUMBER.fullmatch(column):
            raise InvalidRecord(f"the customer id must be a whole number, not {column[:80]!r}")
        column = int(column)
    if not -(2**63) <= column < 2**63:
        raise InvalidRecord("the customer id must fit into 64 bits")
    return column


def _key_id(key: bytes) -> int | str:
    try:
        found: _Key | int | str | None = _decode_key(key)
    except msgspec.ValidationError:
        found = _Key()
    except (ValueError, RecursionError):
        return key[:80].decode(errors="replace")
    if isinstance(found, _Key) and found.payload is not None:
        found = found.payload
    column = found.id if isinstance(found, _Key) else found
    return _unusual_key_id(key) if column is None else column


def _unusual_key_id(key: bytes) -> int | str:
    try:
        column = msgspec.convert(unwrap(key) or {}, _Key).id
    except (msgspec.ValidationError, DecodeError):
        column = None
    if column is None:
        raise InvalidRecord(f"the key has no customer id: {key[:80].decode(errors='replace')}")
    return column
