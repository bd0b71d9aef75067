"""Avro's logical types, converted only in wanted fields."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

_KEPT = "type", "name", "namespace", "aliases", "fields", "symbols", "items", "values", "size"
_LOGICAL, _SCALE = "set-aside-logical-type", "set-aside-scale"
_MOST_SCALE = 1000
"""Above it a decimal stays bytes: its power of ten would take too long."""
_DIVISORS = {"timestamp-micros": 1_000, "timestamp-nanos": 1_000_000}
_DAY = 86_400_000
_PYTHON_TYPES: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    **dict.fromkeys(("int", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    **dict.fromkeys(("bytes", "fixed"), bytes),
    "array": list,
    **dict.fromkeys(("map", "record", "error"), dict),
}
"""The Python types in which fastavro returns Avro types; of all others it returns text."""

Convert = Callable[[Any], Any]


def set_aside(schema: Any, wanted: frozenset[str], *, is_wanted: bool = True) -> Any:
    """The schema with its logical types hidden from Avro readers under other names, and without defaults.

    Text in unwanted fields becomes bytes, so that it need not be UTF-8.
    """
    if isinstance(schema, list):
        keeps_text = is_wanted or any("bytes" in (branch, _kind(branch)) for branch in schema)
        return [set_aside(branch, wanted, is_wanted=keeps_text) for branch in schema]
    if isinstance(_kind(schema), dict | list):
        return set_aside(schema["type"], wanted, is_wanted=is_wanted)
    if _kind(schema) == "string":
        return "string" if is_wanted else "bytes"
    if isinstance(schema, str):
        return schema
    aside = {name: schema[name] for name in _KEPT if name in schema}
    if "logicalType" in schema:
        aside[_LOGICAL], aside[_SCALE] = schema["logicalType"], schema.get("scale", 0)
    for inner in "items", "values":
        if inner in schema:
            aside[inner] = set_aside(schema[inner], wanted, is_wanted=is_wanted)
    if "fields" in schema:
        aside["fields"] = [
            {
                "name": field["name"],
                "type": set_aside(field["type"], wanted, is_wanted=field["name"].lower() in wanted),
            }
            for field in schema["fields"]
        ]
    return aside


class Conversions:
    """Converts values that were read by schemas from ``set_aside`` into plain values."""

    def __init__(self, named: dict[str, Any], wanted: frozenset[str]) -> None:
        """``named`` holds the parsed schemas of all named types."""
        self._named = named
        self._wanted = wanted
        self._records: dict[str, Convert] = {}
        self.twins: tuple[str, str] | None = None
        """Two wanted fields of a record whose names differ in case alone."""

    def of(self, schema: Any) -> Convert | None:
        """The conversion of a schema's values; None if they are plain already."""
        if isinstance(schema, list):
            return self._of_union(schema)
        if isinstance(schema, str):
            return self.of(self._named[schema]) if schema in self._named else None
        match schema["type"]:
            case "record" | "error":
                return self._of_record(schema)
            case "array":
                return _each(self.of(schema["items"]))
            case "map":
                return _each_value(self.of(schema["values"]))
        return _of_logical_type(schema["type"], schema.get(_LOGICAL), schema.get(_SCALE))

    def _of_record(self, schema: dict[str, Any]) -> Convert:
        name = schema["name"]
        if name not in self._records:
            fields: dict[str, tuple[str, Convert | None]] = {}
            # Known before its fields: a field may hold the record again.
            self._records[name] = lambda value: {
                lowered: convert(value[field]) if convert else value[field]
                for field, (lowered, convert) in fields.items()
            }
            seen: dict[str, str] = {}
            for field in schema["fields"]:
                lowered = field["name"].lower()
                is_wanted = lowered in self._wanted
                twin = seen.setdefault(lowered, field["name"])
                if is_wanted and twin != field["name"]:
                    self.twins = twin, field["name"]
                fields[field["name"]] = lowered, self.of(field["type"]) if is_wanted else None
        return self._records[name]

    def _of_union(self, branches: list[Any]) -> Convert | None:
        resolved = [self._named.get(branch, branch) if isinstance(branch, str) else branch for branch in branches]
        converts = [(_PYTHON_TYPES.get(_kind(schema), str), schema, self.of(schema)) for schema in resolved]
        if not any(convert for _, _, convert in converts):
            return None

        def convert_union(value: Any) -> Any:
            for python_type, schema, convert in converts:
                if type(value) is python_type and _fits(value, schema):
                    return convert(value) if convert else value
            return value

        return convert_union


def _kind(schema: Any) -> Any:
    return schema["type"] if isinstance(schema, dict) else schema


def _fits(value: Any, schema: Any) -> bool:
    """Whether a value fits a branch of a union, among branches of the same Python type."""
    return _kind(schema) not in {"record", "error"} or value.keys() == {field["name"] for field in schema["fields"]}


def _each(convert: Convert | None) -> Convert | None:
    return convert and (lambda values: [convert(value) for value in values])


def _each_value(convert: Convert | None) -> Convert:
    return lambda values: {name.lower(): convert(value) if convert else value for name, value in values.items()}


def _of_logical_type(kind: str, logical: object, scale: object) -> Convert | None:
    """The conversion of a logical type; a logical type that does not fit its type is ignored."""
    if kind == "long" and isinstance(logical, str) and (divisor := _DIVISORS.get(logical.removeprefix("local-"))):
        return lambda units: units // divisor
    if (kind, logical) == ("int", "date"):
        return lambda days: days * _DAY
    if kind in {"bytes", "fixed"} and logical == "decimal" and type(scale) is int and 0 <= scale <= _MOST_SCALE:
        return lambda unscaled: _decimal(unscaled, scale)
    return None


def _decimal(unscaled: bytes, scale: int) -> int | Decimal | bytes:
    """The number in a decimal's bytes: an int if it is whole; the bytes if they are too many."""
    if len(unscaled) > _MOST_SCALE:
        return unscaled
    number = int.from_bytes(unscaled, "big", signed=True)
    whole, rest = divmod(number, 10**scale)
    return whole if rest == 0 else Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale))
