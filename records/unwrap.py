"""The JSON that a Kafka value may hold, whatever wrapped it on its way.

Kafka Connect's JSON converter wraps a record as ``{"schema": ..., "payload": ...}``, Avro's JSON encoding wraps
every value of a union as ``{"int": 3}``, and ksqlDB writes column names in capitals. The typed decoders of this
package read the plain form at once; what they refuse comes here to be made plain.
"""

from typing import Any

import msgspec
import orjson

from records.errors import (
    DecodeError,
    EmptyValue,
    InvalidRecord,
    NotJson,
    NotUtf8,
    TooLarge,
    UnsupportedFormat,
    explain,
)

MAX_BYTES = 1_000_000
"""The longest value that is decoded, in bytes. Kafka's own default limit on a message is 1 MiB; a longer value
would be refused by the output topics, so it is turned away here, where the reason can be told."""

_AVRO_FRAME = 0x00
"""First byte of Confluent's wire format: then follow a 4-byte schema id and the Avro bytes."""

_AVRO_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def check(value: bytes) -> None:
    """Refuse bytes that cannot be a JSON record.

    Raises:
        EmptyValue, TooLarge, UnsupportedFormat, NotUtf8: and the message says what was found.
    """
    if not value:
        raise EmptyValue("the value is empty")
    check_size(value)
    if value[0] == _AVRO_FRAME:
        raise UnsupportedFormat(
            "the value is Avro with a schema registry's id (its first byte is 0x00), and JSON is read here: "
            "is the schema registry set, and the topic's format auto or avro?"
        )
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


def unwrap(value: bytes) -> dict[str, Any] | None:
    """Read any JSON form of a record into a plain dictionary with lower-case names.

    Returns:
        The record's fields; None for JSON null and for a null payload.

    Raises:
        NotJson: the text does not parse.
        InvalidRecord: it parses, but to something else than an object, or too deep an object.
    """
    try:
        document = msgspec.json.decode(value)
    except (ValueError, RecursionError) as error:
        raise malformed(value, error) from None
    if isinstance(document, dict) and "payload" in document and document.keys() <= {"schema", "payload"}:
        document = document["payload"]
    if document is None:
        return None
    if not isinstance(document, dict):
        raise InvalidRecord(f"the record must be an object, not {_name(document)}")
    try:
        return {name.lower(): _plain(field) for name, field in document.items()}
    except RecursionError as error:
        raise malformed(value, error) from None


def malformed(value: bytes, error: Exception) -> DecodeError:
    """The decode error that stands for what a typed decoder raised."""
    if isinstance(error, msgspec.ValidationError):
        return InvalidRecord(explain(error))
    if isinstance(error, RecursionError):
        return InvalidRecord("the value is nested too deeply")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as better:  # it tells line and column, and does not take every fault for an end
        return NotJson(f"the value is not JSON: {better}")
    return NotJson(f"the value is not JSON: {error}")


def _plain(field: Any) -> Any:
    """Take an Avro union's wrapping off, and bring nested rows' names to lower case."""
    if not isinstance(field, dict):
        return field
    if len(field) == 1:
        ((branch, inner),) = field.items()
        if branch in _AVRO_PRIMITIVES or "." in branch:  # a record's branch is its full name
            return _plain(inner)
    return {name.lower(): _plain(inner) for name, inner in field.items()}


def _name(document: object) -> str:
    return {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(
        type(document), "this"
    )
