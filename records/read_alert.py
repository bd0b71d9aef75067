"""An alert, as it is read from its topic: in this project's form, or in an earlier one."""

import msgspec

from messages.errors import InvalidRecord
from messages.json import malformed, unwrap
from messages.message import Int64, Message
from messages.names import Names
from messages.numbers import whole


class Alert(msgspec.Struct, frozen=True):
    """A rating that calls for an alert. A rule may leave any column out, and earlier forms lack some."""

    rating_id: Int64 | None = None
    user_id: Int64 | None = None
    full_name: str | None = None
    email: str | None = None
    club_status: str | None = None
    stars: Int64 | None = None
    channel: str | None = None
    message: str | None = None
    rating_ts: Int64 | None = None
    """When the rating was given: Kafka's timestamp, epoch milliseconds."""
    source_partition: Int64 | None = None
    source_offset: Int64 | None = None
    rule: str | None = None
    """None in alerts of earlier versions."""
    first_name: str | None = None
    last_name: str | None = None
    region: str | None = None
    route_id: Int64 | None = None
    rating_time: Int64 | None = None


FIELDS = frozenset(Alert.__struct_fields__)
_NAMES = Names(FIELDS)
_NUMBERS = "rating_id", "user_id", "stars", "rating_ts", "source_partition", "source_offset", "route_id", "rating_time"


def decode(message: Message) -> Alert | None:
    """Read an alert from any form of JSON that ``messages.json`` knows; None of a message that deletes one.

    Raises:
        DecodeError: the value is no alert; the message says why.
    """
    if message.value() is None:
        return None
    fields = unwrap(message, _NAMES)
    if fields is None:
        return None
    try:
        return _of_fields(fields)
    except msgspec.ValidationError as error:
        raise malformed(b"", error) from None


def from_fields(fields: object) -> Alert:
    """Make an alert of the fields that its value's Avro held, their names in lower case.

    Raises:
        msgspec.ValidationError, InvalidRecord: they are not those of an alert.
    """
    if not isinstance(fields, dict):
        raise InvalidRecord("the record must be an object")
    return _of_fields(fields)


def _of_fields(fields: dict[str, object]) -> Alert:
    if FIELDS.isdisjoint(fields):
        raise InvalidRecord("the record has none of the fields of an alert")
    numbers = {name: whole(f"field {name}", fields[name]) for name in _NUMBERS if name in fields}
    return msgspec.convert({**fields, **numbers}, Alert)
