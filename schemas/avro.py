"""Avro bytes to plain values, by the schema that they were written with.

One at a time by fastavro, which reads everything; many at once by pyruhvro, which makes Arrow of them without
Python: up to the finished record a rating takes 0.6 of the time that fastavro alone takes, a change in Debezium's
envelope 0.3 (``python -m benchmarks avro``). It does not read recursive types, bytes and fixed; where a schema has
these (decimals are bytes), or one message is broken, fastavro reads them all.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyruhvro
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException, UnknownType

from records.errors import MalformedAvro, UnsupportedFormat

_ARROW_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "string"})
_MILLISECONDS = frozenset({"timestamp-millis", "local-timestamp-millis"})
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class AvroReader:
    """Reads what was written with one schema.

    Records become dictionaries with names in lower case (ksqlDB writes capitals); timestamps epoch milliseconds; whole
    decimals integers.

    Args:
        name: Of the schema, for messages.
        schema: Its text.
        references: Texts of the schemas that it refers to, each after those that it refers to itself.
        wanted: Names, in lower case, of the fields that ``read_all`` keeps, at any depth.

    Raises:
        UnsupportedFormat: the text is no Avro schema.
    """

    def __init__(self, name: str, schema: str, references: Sequence[str], wanted: frozenset[str]) -> None:
        self.name = name
        self._wanted = wanted
        named: dict[str, Any] = {}
        try:
            for reference in references:
                parse_schema(json.loads(reference), named)
            parsed = json.loads(schema)
            self._schema = parse_schema(parsed, named)
            arrow = None if references else _for_arrow(parsed, wanted)
        except (ValueError, SchemaParseException, UnknownType, RecursionError, KeyError, TypeError) as error:
            raise UnsupportedFormat(f"schema {name} is not an Avro schema: {error}") from None
        # pyruhvro makes a table, so of nothing but records.
        is_record = isinstance(arrow, dict) and arrow["type"] == "record"
        self._arrow = json.dumps(arrow) if is_record else None

    def read(self, payload: bytes) -> Any:
        """Read one value.

        Raises:
            MalformedAvro: the bytes are not of this schema.
        """
        try:
            value = schemaless_reader(BytesIO(payload), self._schema, None)
        except Exception as error:  # fastavro raises what its innards raise
            reason = str(error) or type(error).__name__
            raise MalformedAvro(f"the bytes are not of schema {self.name}: {reason}") from None
        return _plain(value)

    def read_all(self, payloads: list[bytes]) -> list[Any] | None:
        """Read many records at once, only their wanted fields; None where that cannot be done."""
        if self._arrow is None:
            return None
        try:
            batch = pyruhvro.deserialize_array(payloads, self._arrow)
            rows: list[Any] = _only_wanted(batch.to_struct_array(), self._wanted).to_pylist()
        except BaseException as error:
            # A panic of Rust is no Exception; its class cannot be imported.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                return None
            raise
        return rows


def _only_wanted(array: pa.Array, wanted: frozenset[str]) -> pa.Array:
    """The array with the wanted fields alone, their names in lower case."""
    if not isinstance(array, pa.StructArray):
        return array
    kept = {index: field.name.lower() for index, field in enumerate(array.type) if field.name.lower() in wanted}
    columns = [_only_wanted(array.field(index), wanted) for index in kept]
    nulls = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(columns, list(kept.values()), mask=nulls)


class _NotForArrowError(Exception):
    pass


def _for_arrow(schema: Any, wanted: frozenset[str]) -> Any:
    """The schema without logical types; None where pyruhvro cannot read it, or not as ``AvroReader.read`` does."""
    try:
        return _without_logical_types(schema, wanted, is_wanted=True)
    except _NotForArrowError:
        return None


def _without_logical_types(schema: Any, wanted: frozenset[str], *, is_wanted: bool) -> Any:
    if isinstance(schema, str):  # a primitive, or the name of a type that stands elsewhere
        if schema == "bytes":
            raise _NotForArrowError
        return schema
    if isinstance(schema, list):
        if len([branch for branch in schema if branch != "null"]) > 1 and is_wanted:
            raise _NotForArrowError  # a union of more than null and one type
        return [_without_logical_types(branch, wanted, is_wanted=is_wanted) for branch in schema]
    kind = schema["type"]
    if isinstance(kind, dict | list):
        return _without_logical_types(kind, wanted, is_wanted=is_wanted)
    if kind == "record":
        kept = [field["name"].lower() in wanted for field in schema["fields"]]
        if is_wanted and not any(kept):
            raise _NotForArrowError
        fields = [
            {
                "name": field["name"],
                "type": _without_logical_types(field["type"], wanted, is_wanted=is_kept),
            }
            for field, is_kept in zip(schema["fields"], kept, strict=True)
        ]
        return {**_only(schema, "type", "name", "namespace"), "fields": fields}
    if kind == "enum":
        return _only(schema, "type", "name", "namespace", "symbols")
    if kind == "array" and not is_wanted:
        return {"type": "array", "items": _without_logical_types(schema["items"], wanted, is_wanted=False)}
    if kind == "map" and not is_wanted:
        return {"type": "map", "values": _without_logical_types(schema["values"], wanted, is_wanted=False)}
    if kind not in _ARROW_PRIMITIVES:
        raise _NotForArrowError
    if is_wanted and schema.get("logicalType") not in {None, *_MILLISECONDS}:
        raise _NotForArrowError
    return kind


def _only(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: schema[name] for name in names if name in schema}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name.lower(): _plain(inner) for name, inner in value.items()}
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
            return (aware - _EPOCH) // timedelta(milliseconds=1)
        case Decimal() if value == value.to_integral_value():
            return int(value)
        case list():
            return [_plain(inner) for inner in value]
    return value
