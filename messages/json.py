"""JSON in a Kafka value, without its wrappers.

Kafka Connect's JSON converter wraps a record as ``{"schema": ..., "payload": ...}``, Avro's JSON encoding wraps
every value of a union as ``{"int": 3}``, a CloudEvent has the record as ``data``, JSON Schema's serializers put a
schema's id before it, and names come in any case. The typed decoders of this package read the plain form. This module
turns a value that they refuse into the plain form.
"""

from typing import Any

import msgspec
import orjson

from messages import cloud_event, frames
from messages.errors import (
    DecodeError,
    EmptyValue,
    InvalidRecord,
    NotJson,
    NotUtf8,
    TooLarge,
    UnsupportedFormat,
    explain,
)
from messages.message import Message
from messages.names import Names

MAX_BYTES = 1_000_000
"""The longest value that is decoded, in bytes. Kafka's own default limit on a message is 1 MiB; a longer value
would be refused by the output topics. It is refused here, where the reason can be given."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_AVRO_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def check(value: bytes) -> None:
    """Refuse a value that is too large, or not UTF-8. A typed decoder accepts both, since it skips unread fields.

    Raises:
        TooLarge, NotUtf8
    """
    check_size(value)
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise NotUtf8(f"the value is not UTF-8: {error.reason} at byte {error.start}") from None


def check_size(value: bytes) -> None:
    """Refuse a value of more than MAX_BYTES.

    Raises:
        TooLarge
    """
    if len(value) > MAX_BYTES:
        raise TooLarge(f"the value has {len(value):,} bytes, more than the limit of {MAX_BYTES:,}")


def unwrap(message: Message, names: Names) -> dict[str, Any] | None:
    """Read any JSON form of a record into a plain dictionary with lower-case names.

    Returns:
        The record's fields; None for JSON null and for a null payload.

    Raises:
        DecodeError: the value is not a JSON object, is nested too deeply, or has one of ``names`` twice.
    """
    value = message.value()
    if not value:
        raise EmptyValue("the value is empty")
    return plain(_parse(value, message), names)


def plain(document: Any, names: Names) -> dict[str, Any] | None:
    """As ``unwrap``, for parsed JSON.

    Raises:
        DecodeError
    """
    document = _payload(document)
    if isinstance(document, dict) and cloud_event.is_cloud_event(document):
        document = cloud_event.record(document)
    if document is None:
        return None
    if not isinstance(document, dict):
        raise InvalidRecord(f"the record must be an object, not {_name(document)}")
    try:
        return _fields(document, names)
    except RecursionError as error:
        raise malformed(b"", error) from None


def malformed(value: bytes, error: Exception) -> DecodeError:
    """The decode error for an exception of a typed decoder."""
    if isinstance(error, msgspec.ValidationError):
        return InvalidRecord(explain(error))
    if isinstance(error, RecursionError):
        return InvalidRecord("the value is nested too deeply")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as better:  # it has line and column, and names the fault
        return NotJson(f"the value is not JSON: {better}")
    return NotJson(f"the value is not JSON: {error}")


def _parse(value: bytes, message: Message) -> Any:
    check_size(value)
    try:
        document = msgspec.json.decode(value.removeprefix(_BYTE_ORDER_MARK))
        check(value)
    except (msgspec.ValidationError, RecursionError) as error:
        raise malformed(value, error) from None
    except DecodeError:
        raise
    except ValueError as error:
        framed = frames.unframed(value)
        if framed is not None:
            try:
                document = msgspec.json.decode(framed)
                check(framed)
            except (ValueError, RecursionError):
                pass  # Avro, or Protobuf
            else:
                return document
        if reason := frames.recognised(value, message.headers()):
            raise UnsupportedFormat(reason) from None
        check(value)
        raise malformed(value, error) from None
    return document


def _payload(document: Any) -> Any:
    """The payload that Kafka Connect's JSON converter wrapped; any other document as it is."""
    if isinstance(document, dict) and 0 < len(document) <= 2:
        lowered = {name.lower(): field for name, field in document.items()}
        if "payload" in lowered and lowered.keys() <= {"schema", "payload"}:
            return lowered["payload"]
    return document


def _fields(row: dict[str, Any], names: Names) -> dict[str, Any]:
    """A row's fields by their names in lower case; unread fields keep their content."""
    return names.lowered({name: _plain(field, names) if name in names else field for name, field in row.items()})


def _plain(field: Any, names: Names) -> Any:
    """Unwrap an Avro union, and lower the names of nested rows."""
    if not isinstance(field, dict):
        return field
    if len(field) == 1:
        ((branch, inner),) = field.items()
        if branch in _AVRO_PRIMITIVES or "." in branch:  # a record's branch is its full name
            return _plain(inner, names)
    return _fields(field, names)


def _name(document: object) -> str:
    if isinstance(document, str) and document.lstrip().startswith(("{", "[")):
        return "text that holds JSON: it was encoded twice"
    return {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(document), "this"
    )
