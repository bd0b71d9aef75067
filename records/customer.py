"""Customers, and their changes as Debezium's change data capture writes them.

The shapes, each with and without Kafka Connect's ``schema`` and ``payload``, or in a CloudEvent:

- envelope: ``before``, ``after`` and ``op`` (c create, u update, d delete, r snapshot read, t truncate);
- flattened: the row itself, without ``before`` and ``after``. A delete is a tombstone, the text ``null``, or told by
  ``__deleted`` or ``__op`` in the row; their prefix may be left out.

Other records of a connector (schema changes, heartbeats, transaction markers) are no changes.

Where a change stands in its database's log is told by an envelope's ``source``, and by a flattened row if its
``ExtractNewRecordState`` has ``add.fields`` such as ``op,source.ts_ms,source.file,source.pos,source.row``.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from messages.added_source import AddedSource
from messages.errors import InvalidRecord
from messages.json import MAX_BYTES, check, malformed, unwrap
from messages.log_position import Source, log_position
from messages.message import Message
from messages.names import Names
from messages.numbers import whole_id
from messages.unavailable import UNAVAILABLE, as_text
from messages.version import Version, version
from records.customer_id import Column, customer_id


class Segment(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What customers are counted by."""

    club_status: str | None
    region: str | None
    is_unknown: bool


class Customer(msgspec.Struct, gc=False):
    """What an enriched rating tells of its customer."""

    first_name: str | None
    last_name: str | None
    full_name: str | None
    """Those of the two names that are neither null nor empty, joined by a space; else null."""
    email: str | None
    club_status: str | None
    region: str | None
    json: bytes = b""
    """Room for ``records.enriched`` to keep the fields as it has encoded them."""
    segment: Segment | None = None
    """Room for ``records.statistic`` to keep the one that the customer belongs to."""


class CustomerChange(msgspec.Struct, gc=False):
    """The customer ``id`` is now ``customer``, or deleted where that is None.

    Without an ``id`` every customer is deleted: the table was truncated.
    """

    id: int | None
    customer: Customer | None
    version: Version = 0
    """Which change is newer, in the form of ``messages/version.py``."""
    untold: tuple[str, ...] = ()
    """Columns whose values the database did not send: they stay as they are known, and are null here."""


_COLUMNS = "first_name", "last_name", "email", "club_status", "region"
_columns = attrgetter(*_COLUMNS)


class _Row(msgspec.Struct, gc=False):
    id: Column = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    club_status: str | None = None
    region: str | None = None


class _Change(_Row, gc=False):
    before: _Row | None = None
    after: _Row | None = None
    source: Source | list[Any] | str | int | float | bool | None = None
    """Of an envelope; a row may have a column of this name."""
    op: Any = None
    added_op: Any = msgspec.field(name="__op", default=None)
    deleted: Any = None
    added_deleted: str | bool | None = msgspec.field(name="__deleted", default=None)
    # Told, they say that a flattened row has fields of ``source``, and which prefix these have.
    clock: Any = msgspec.field(name="__source_ts_ms", default=None)
    bare_clock: Any = msgspec.field(name="source_ts_ms", default=None)
    dotted_clock: Any = msgspec.field(name="source.ts_ms", default=None)
    payload: "_Change | msgspec.UnsetType | None" = msgspec.UNSET
    # Their presence tells the records that are no change:
    ddl: Any = msgspec.UNSET
    data_collections: Any = msgspec.UNSET


_ADDED = AddedSource("__source_", "__")
_BARE, _DOTTED = AddedSource("source_", ""), AddedSource("source.", "")

_decode_value = msgspec.json.Decoder(_Change | None).decode
_EMPTY = _Row()
_MAX_SHARED = 50_000

FIELDS = frozenset(
    [field.encode_name for kind in (_Change, Source) for field in msgspec.structs.fields(kind)]
    + [name for added in (_ADDED, _BARE) for name in added.names]
) - {"payload"}
"""What is read of a change's fields, at any depth, in lower case."""
_NAMES = Names(FIELDS | {"payload", *_DOTTED.names})


def decode(message: Message, unavailable: frozenset[str] = UNAVAILABLE) -> CustomerChange | None:
    """Read a change of a customer from any of the shapes above.

    Args:
        message: Its value is JSON.
        unavailable: What stands in place of a value that the database did not send.

    Returns:
        None for a record that is no change of a customer.

    Raises:
        DecodeError: the record is neither a change nor another known record of a connector.
    """
    value = message.value()
    if value is None:
        return _deleted_by_key(message)
    try:
        change = _decode_value(value)
        if len(value) > MAX_BYTES or not value.isascii():
            check(value)
        if not _NAMES.with_capitals_in(_record_in(value, change)):
            return _deleted_by_key(message) if change is None else _read(change, message, value, unavailable)
    except (ValueError, RecursionError):
        pass
    try:
        return from_fields(message, unwrap(message, _NAMES), unavailable)
    except msgspec.ValidationError as error:
        raise malformed(value, error) from None


def from_fields(message: Message, fields: Any, unavailable: frozenset[str] = UNAVAILABLE) -> CustomerChange | None:
    """Make a change of the fields that its value held, their names in lower case; None for one that is no change.

    Raises:
        msgspec.ValidationError, DecodeError: they are not those of a change.
    """
    if fields is None:
        return _deleted_by_key(message)
    if not isinstance(fields, dict):
        raise InvalidRecord("the record must be an object")
    if fields.keys() == {"ts_ms"} or "tablechanges" in fields:
        return None  # a heartbeat; a schema change
    fields = _regular(fields, unavailable)
    if fields.get("id") is not None:
        fields.pop("payload", None)
    return _read(msgspec.convert(fields, _Change), message, fields, unavailable)


def many_from_fields(
    messages: Sequence[Message], rows: list[Any], unavailable: frozenset[str] = UNAVAILABLE
) -> list[CustomerChange | None]:
    """As ``from_fields``, of rows of fields in Debezium's shapes."""
    changes = msgspec.convert(rows, list[_Change])
    return [_read(*one, unavailable) for one in zip(changes, messages, rows, strict=True)]


def completed(known: Customer | None, customer: Customer, untold: Sequence[str]) -> Customer:
    """The customer with the columns that its change did not tell as they are known."""
    if known is None:
        return customer
    columns = {name: getattr(known if name in untold else customer, name) for name in _COLUMNS}
    return Customer(full_name=_full_name(columns["first_name"], columns["last_name"]), **columns)


def _record_in(value: bytes, change: _Change | None) -> bytes:
    """The record's part of a value, without Connect's schema, of which the names are not read."""
    if change is not None and change.id is None and isinstance(change.payload, _Change):
        return value[max(value.find(b'"payload"'), 0) :] if value.startswith(b'{"schema"') else value
    return value


def _regular(fields: dict[str, Any], unavailable: frozenset[str]) -> dict[str, Any]:
    """The fields with what only their type cannot tell made plain or refused.

    Raises:
        InvalidRecord
    """
    regular = {
        name: as_text(field, unavailable) if name in _COLUMNS and not isinstance(field, str) else field
        for name, field in fields.items()
    }
    if isinstance(fields.get("id"), dict):
        regular["id"] = whole_id("the customer id", fields["id"])
    for name in "before", "after":
        row = fields.get(name)
        if isinstance(row, dict):
            regular[name] = _regular(row, unavailable)
        elif row is not None and fields.get("id") is not None:
            del regular[name]  # a column of this name
        elif isinstance(row, str) and row.startswith("{"):
            raise InvalidRecord(
                f"{name} is text that holds JSON, as MongoDB's connector writes it: "
                "unwrap it with ExtractNewDocumentState"
            )
    return regular


def _read(
    change: _Change, message: Message, raw: bytes | dict[str, Any], unavailable: frozenset[str]
) -> CustomerChange | None:
    # A row has an id, and may have columns of these names.
    wrapped = change.id is None and change.payload is not msgspec.UNSET
    if wrapped:
        if not isinstance(change.payload, _Change):
            return _deleted_by_key(message)
        change = change.payload
        raw = raw["payload"] if isinstance(raw, dict) else raw
    if (change.id is None and change.ddl is not msgspec.UNSET) or change.data_collections is not msgspec.UNSET:
        return None
    row: _Row = change
    op, before, after = change.op, change.before, change.after
    if before is not None or after is not None:
        row = after or _EMPTY
        if op is None:
            op = "d" if after is None else "u"
        elif op not in ("c", "u", "r", "d", "t", "m"):
            raise InvalidRecord(f"op must be one of c, u, d, r, t, not {str(op)[:80]}")
        if op == "d":
            row = before or row
    elif change.added_op is not None:
        op = change.added_op
    at = version(message, _position(change, raw, wrapped))
    if row.id is None and op in ("t", "m") and not any(_columns(row)):
        # Of the latter kind are messages that an application wrote into the database's log.
        return CustomerChange(None, None, at) if op == "t" else None
    deleted = change.deleted if change.added_deleted is None else change.added_deleted
    if op == "d" or deleted == "true" or deleted is True:
        return CustomerChange(customer_id(row.id, message), None, at)
    return _became(row, before, message, at, raw, unavailable)


def _position(change: _Change, raw: bytes | dict[str, Any], wrapped: bool) -> bytes | None:
    if isinstance(change.source, Source):
        return log_position(change.source)
    if change.clock is not None:
        return _ADDED.position(raw, wrapped=wrapped)
    if change.bare_clock is not None:
        return _BARE.position(raw, wrapped=wrapped)
    if change.dotted_clock is not None:
        return _DOTTED.position(raw, wrapped=wrapped)
    return None


def _became(
    row: _Row,
    before: _Row | None,
    message: Message,
    at: Version,
    raw: bytes | dict[str, Any],
    unavailable: frozenset[str],
) -> CustomerChange:
    columns = first, last, email, status, region = _columns(row)
    untold: tuple[str, ...] = ()
    if first is last is email is status is region is None:
        _refuse_without_columns(raw)
    elif not unavailable.isdisjoint(columns):
        (first, last, email, status, region), untold = _told(columns, before, unavailable)
    return CustomerChange(
        customer_id(row.id, message),
        Customer(
            first and _shared(first),
            last and _shared(last),
            f"{first} {last}" if first and last else first or last or None,
            email,
            status and _shared(status),
            region and _shared(region),
        ),
        at,
        untold,
    )


def _told(
    columns: Sequence[str | None], before: _Row | None, unavailable: frozenset[str]
) -> tuple[list[str | None], tuple[str, ...]]:
    """The columns, those not sent as they were before, else null; the names of the latter."""
    told = list(columns)
    untold = []
    for index, (column, name) in enumerate(zip(columns, _COLUMNS, strict=True)):
        if column in unavailable:
            told[index] = known = getattr(before, name, None)
            if known is None or known in unavailable:
                told[index] = None
                untold.append(name)
    return told, tuple(untold)


def _refuse_without_columns(raw: bytes | dict[str, Any]) -> None:
    """Refuse a row that has none of the columns: it would be a customer of nulls.

    Raises:
        InvalidRecord: also of a row in bytes, whose names are not known.
    """
    fields: Any = raw
    if isinstance(raw, dict):
        fields = raw["after"] if isinstance(raw.get("after"), dict) else raw
        if any(name in fields for name in _COLUMNS):
            return
    names = ", ".join(name[:40] for name in list(fields)[:10]) if isinstance(fields, dict) else ""
    raise InvalidRecord(
        f"there is no row of a customer: none of the columns {', '.join(_COLUMNS)}; it has {names or 'nothing'}"
    )


def _full_name(first: str | None, last: str | None) -> str | None:
    return f"{first} {last}" if first and last else first or last or None


_texts: dict[str, str] = {}


def _shared(text: str) -> str:
    """The same text, as one that others have, too: most of a million customers' names take no memory of their own."""
    known = _texts.get(text)
    if known is None:
        known = text
        if len(_texts) < _MAX_SHARED:
            _texts[text] = text
    return known


def _deleted_by_key(message: Message) -> CustomerChange:
    return CustomerChange(customer_id(None, message), None, version(message, None))
