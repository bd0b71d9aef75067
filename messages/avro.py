"""Avro bytes to plain values, with the schema that they were written with.

fastavro reads everything, one value at a time. pyruhvro reads many values at once, through Arrow and without Python.
Up to the finished record, a rating takes 0.6 of fastavro's time, and a change in Debezium's envelope 0.3
(``python -m benchmarks avro``). pyruhvro does not read recursive types, bytes and fixed. If a schema has these
(decimals are bytes), or one message is broken, fastavro reads all messages.

Neither gets a logical type: a value that its logical type cannot hold must not stop a record if nobody reads that
field. ``messages/logical.py`` converts the wanted fields.
"""

import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyruhvro
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException, UnknownType

from messages.errors import InvalidRecord, MalformedAvro, UnsupportedFormat
from messages.logical import Conversions, set_aside

_ARROW_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "string"})
_NO_SCHEMA = ValueError, SchemaParseException, UnknownType, RecursionError, KeyError, TypeError, AttributeError
_MILLISECONDS = frozenset({"timestamp-millis", "local-timestamp-millis"})


class AvroReader:
    """Reads values that were written with one schema.

    Records become dictionaries with names in lower case (ksqlDB writes capitals). In wanted fields, dates and
    timestamps become epoch milliseconds, and whole decimals become integers. The content of other fields is
    unspecified.

    Args:
        name: The name of the schema in error messages.
        schema: The text of the schema.
        references: The texts of the referenced schemas, each after its own references.
        wanted: The names of the fields that are read, in lower case, at any depth.

    Raises:
        UnsupportedFormat: the text is not an Avro schema.
    """

    def __init__(self, name: str, schema: str, references: Sequence[str], wanted: frozenset[str]) -> None:
        self.name = name
        self._wanted = wanted
        named: dict[str, Any] = {}
        try:
            for reference in references:
                parse_schema(set_aside(json.loads(reference), wanted), named)
            parsed = json.loads(schema)
            self._schema = parse_schema(set_aside(parsed, wanted), named)
            conversions = Conversions(named, wanted)
            self._convert = conversions.of(self._schema)
            arrow = None if references or conversions.twins else _for_arrow(parsed, wanted)
        except _NO_SCHEMA as error:
            raise UnsupportedFormat(f"schema {name} is not an Avro schema: {error}") from None
        self._twins = conversions.twins
        # pyruhvro makes a table, which needs records.
        is_record = isinstance(arrow, dict) and arrow["type"] == "record"
        self._arrow = json.dumps(arrow) if is_record else None

    def read(self, payload: bytes) -> Any:
        """Read one value.

        Raises:
            MalformedAvro: the bytes are not of this schema.
            InvalidRecord: two wanted fields of the schema differ in case alone.
        """
        if self._twins:
            raise InvalidRecord(f"fields {self._twins[0]} and {self._twins[1]} differ in case alone")
        try:
            value = schemaless_reader(BytesIO(payload), self._schema, None)
            return self._convert(value) if self._convert else value
        except Exception as error:  # fastavro raises what its innards raise
            reason = str(error) or type(error).__name__
            raise MalformedAvro(f"the bytes are not of schema {self.name}: {reason}") from None

    def read_all(self, payloads: list[bytes]) -> list[Any] | None:
        """Read the wanted fields of many records at once; None if that is not possible."""
        if self._arrow is None:
            return None
        try:
            batch = pyruhvro.deserialize_array(payloads, self._arrow)
            rows: list[Any] = _only_wanted(batch.to_struct_array(), self._wanted).to_pylist()
        except BaseException as error:
            # A Rust panic is not an Exception; its class cannot be imported.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                return None
            raise
        return rows


def _only_wanted(array: pa.Array, wanted: frozenset[str]) -> pa.Array:
    """The array with only the wanted fields, their names in lower case."""
    if not isinstance(array, pa.StructArray):
        return array
    kept = {index: field.name.lower() for index, field in enumerate(array.type) if field.name.lower() in wanted}
    columns = [_only_wanted(array.field(index), wanted) for index in kept]
    nulls = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(columns, list(kept.values()), mask=nulls)


class _NotForArrowError(Exception):
    pass


def _for_arrow(schema: Any, wanted: frozenset[str]) -> Any:
    """The schema without logical types; None if pyruhvro cannot read it, or reads it unlike ``AvroReader.read``."""
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
