"""The types that a field may have: which values each takes, and what it makes of them for searching.

A value is refused, or coerced, where the real server does; `tests/servers/embedded/elasticsearch/` compares.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from servers.embedded.elasticsearch import dates
from servers.embedded.elasticsearch.errors import Refused

Parse = Callable[[Any], Any]
"""From a value of JSON, neither null nor a list, to the one that is searched for: None where there is nothing to find.
Raises Malformed."""

DATE_FORMAT = "strict_date_optional_time||epoch_millis"

_LONGEST_TERM = 32_766
_FOR_ALL = {"type", "fields", "index", "store", "doc_values", "meta", "norms"}


class Malformed(ValueError):
    """A value that a field's type refuses; the message is the reason."""


@dataclass(slots=True)
class Leaf:
    """A field that has values, not fields below it; but maybe the same values again in other types."""

    type: str
    definition: dict[str, Any]
    parse: Parse
    others: "dict[str, Leaf]" = field(default_factory=dict)


def leaf(name: str, definition: dict[str, Any]) -> Leaf:
    """Make a field as a mapping defines it.

    Raises:
        Refused: there is no such type or parameter, here at least.
    """
    kind = definition.get("type")
    if kind is None:
        raise bad_mapping(f"No type specified for field [{name}]")
    if kind not in _TYPES:
        raise bad_mapping(f"No handler for type [{kind}] declared on field [{name}]")
    make, parameters = _TYPES[kind]
    for parameter in definition:
        if parameter not in _FOR_ALL and parameter not in parameters:
            raise bad_mapping(f"unknown parameter [{parameter}] on mapper [{name}] of type [{kind}]")
    others = {other: leaf(f"{name}.{other}", inner) for other, inner in definition.get("fields", {}).items()}
    return Leaf(kind, definition, make(**{key: definition[key] for key in parameters if key in definition}), others)


def bad_mapping(reason: str) -> Refused:
    """A mapping that is refused."""
    inner = Refused(400, "mapper_parsing_exception", reason)
    return Refused(400, "mapper_parsing_exception", f"Failed to parse mapping: {reason}", root=inner, cause=inner)


def as_text(value: Any) -> str:
    """The text that a keyword is made of."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        raise Malformed("Expected text but found START_OBJECT")
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_number(value: Any) -> int | float | None:
    """The number that a value or its text is; None for an empty text."""
    if isinstance(value, str):
        return _number_of(value) if value else None
    if isinstance(value, dict):
        raise Malformed("Cannot parse object as number")
    if isinstance(value, bool):
        raise Malformed(f"Current token (VALUE_{str(value).upper()}) not numeric, can not use numeric value accessors")
    return value  # type: ignore[no-any-return]  # JSON has no other values


def _number_of(text: str) -> int | float:
    for kind in (int, float):
        try:
            if "_" not in text:  # Python's own way to write numbers
                return kind(text)
        except ValueError:
            continue
    raise Malformed(f'For input string: "{text}"')


def as_boolean(value: Any) -> bool:
    """The truth that a value or its text is."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false", ""):
        return bool(value == "true")
    raise Malformed(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")


def as_date(value: Any, formats: str = DATE_FORMAT, *, round_up: bool = False) -> int:
    """The epoch milliseconds that a value is in the first of the formats that can read it."""
    text = as_text(value)
    if not text:
        raise Malformed("cannot parse empty datetime")
    for name in formats.split("||"):
        try:
            if name == "epoch_millis":
                return dates.epoch_millis(text)
            if name == "epoch_second":
                return 1000 * dates.epoch_millis(text)
            return dates.iso(text, round_up=round_up)
        except (ValueError, OverflowError):  # the latter of years that Python does not have
            continue
    raise Malformed(f"failed to parse date field [{text}] with format [{formats}]")


def _integer(kind: str, bits: int) -> Callable[[], Parse]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def parse(value: Any) -> int | None:
        if value.__class__ is int and low <= value <= high:
            return value
        number = as_number(value)
        if number is None:
            return None
        if not low - 1 < number < high + 1:  # what stands behind the point is cut off
            raise Malformed(f"Value [{value}] is out of range for a {kind}")
        return int(number)

    return lambda: parse


def _single(number: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", number))[0]  # type: ignore[no-any-return]
    except OverflowError:
        return math.inf


def _floating(kind: str, to_precision: Callable[[float], float]) -> Callable[[], Parse]:
    def parse(value: Any) -> float | None:
        number = as_number(value)
        if number is None:
            return None
        try:
            exact = to_precision(float(number))
        except OverflowError:  # an int of hundreds of digits
            exact = math.inf
        if not math.isfinite(exact):
            raise Malformed(f"[{kind}] supports only finite values, but got [{value}]")
        return exact

    return lambda: parse


def _keyword(ignore_above: int = 2**31 - 1) -> Parse:
    def parse(value: Any) -> str | None:
        text = value if value.__class__ is str else as_text(value)
        if len(text) > ignore_above:
            return None
        if len(text) * 4 > _LONGEST_TERM and len(text.encode()) > _LONGEST_TERM:
            raise Malformed(f"a term is longer than {_LONGEST_TERM} bytes: it begins with [{text[:30]}]")
        return text

    return parse


def _date(format: str = DATE_FORMAT, *, ignore_malformed: bool = False) -> Parse:  # noqa: A002  # as the parameter is called
    for name in format.split("||"):
        if name not in ("strict_date_optional_time", "epoch_millis", "epoch_second"):
            raise bad_mapping(f"Invalid format: [{name}]: the embedded Elasticsearch does not know it")
    in_millis = format in (DATE_FORMAT, "epoch_millis")

    def parse(value: Any) -> int:
        # The common case; a number of four digits is a year.
        if in_millis and value.__class__ is int and 9999 < value < 2**63:
            return value
        millis = as_date(value, format)
        if not -(2**63) < millis < 2**63:
            raise Malformed(f"failed to parse date field [{value}] with format [{format}]")
        return millis

    def parse_what_is_a_date(value: Any) -> int | None:
        try:
            return parse(value)
        except Malformed:
            if isinstance(value, dict):
                raise
            return None

    return parse_what_is_a_date if ignore_malformed else parse


# The function that makes a type's parser, and the parameters that it takes, which are those that only this type has.
_TYPES: dict[str, tuple[Callable[..., Parse], tuple[str, ...]]] = {
    "keyword": (_keyword, ("ignore_above",)),
    "text": (lambda: as_text, ()),
    "byte": (_integer("byte", 8), ()),
    "short": (_integer("short", 16), ()),
    "integer": (_integer("integer", 32), ()),
    "long": (_integer("long", 64), ()),
    "float": (_floating("float", _single), ()),
    "double": (_floating("double", float), ()),
    "boolean": (lambda: as_boolean, ()),
    "date": (_date, ("format", "ignore_malformed")),
}
