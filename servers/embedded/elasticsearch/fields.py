"""Field types, and the JSON values that each of them takes."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from servers.embedded.elasticsearch.errors import Refused, unknown

Check = Callable[[Any], object]
"""Checks a value of JSON that is neither null nor a list. Raises `Malformed`."""

DATE_FORMAT = "strict_date_optional_time||epoch_millis"

_LONGEST_TERM = 32_766
_MILLIS = re.compile(r"-?\d+(\.\d+)?")


class Malformed(ValueError):
    """A value that a field's type refuses. The message is the server's reason."""


class Field(NamedTuple):
    """A field of a mapping."""

    path: str
    type: str
    check: Check


def fields(path: str, definition: Any) -> Iterator[Field]:
    """The field of a definition, and its multi-fields.

    Raises:
        Refused: there is no such type or parameter, at least here.
    """
    if not isinstance(definition, dict):
        raise bad_mapping(f"Expected map for property [fields] on field [{path}]")
    kind = str(definition.get("type"))
    if kind not in _TYPES:
        raise bad_mapping(f"No handler for type [{kind}] declared on field [{path}]")
    make, parameters = _TYPES[kind]
    for name in definition.keys() - {"type", "fields", *parameters}:
        raise bad_mapping(f"unknown parameter [{name}] on mapper [{path}] of type [{kind}]")
    yield Field(path, kind, make(**{name: definition[name] for name in parameters if name in definition}))
    for name, inner in definition.get("fields", {}).items():
        yield from fields(f"{path}.{name}", inner)


def bad_mapping(reason: str) -> Refused:
    """A mapping that is refused."""
    kind = "mapper_parsing_exception"
    return Refused(400, kind, f"Failed to parse mapping: {reason}", Refused(400, kind, reason))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        raise Malformed("Expected text but found START_OBJECT")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keyword(ignore_above: int = 2**31 - 1) -> Check:
    def check(value: Any) -> None:
        text = value if value.__class__ is str else _text(value)
        if len(text) <= ignore_above and len(text) * 4 > _LONGEST_TERM and len(text.encode()) > _LONGEST_TERM:
            raise Malformed(f"a term is longer than {_LONGEST_TERM} bytes: it begins with [{text[:30]}]")

    return check


def _integer(kind: str, bits: int) -> Callable[[], Check]:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def check(value: Any) -> None:
        number = value if value.__class__ is int else _number(value)
        if not low - 1 < number < high + 1:  # decimals are cut off
            raise Malformed(f"Value [{value}] is out of range for a {kind}")

    return lambda: check


def _number(value: Any) -> int | float:
    if isinstance(value, bool | dict):
        raise Malformed(f"Current token [{value}] not numeric, can not use numeric value accessors")
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]  # JSON has no other values
    if not value:
        return 0  # taken as no value
    for kind in (int, float):
        try:
            if "_" not in value:  # Python's own notation
                return kind(value)
        except ValueError:
            continue
    raise Malformed(f'For input string: "{value}"')


def _date(format: str = DATE_FORMAT, *, ignore_malformed: bool = False) -> Check:  # noqa: A002  # the parameter's name
    if format not in (DATE_FORMAT, "epoch_millis"):
        raise bad_mapping(f"Invalid format: [{format}]: the embedded Elasticsearch does not know it")

    def check(value: Any) -> None:
        text = _text(value)
        millis = int(text.partition(".")[0]) if _MILLIS.fullmatch(text) else None
        if ignore_malformed or (millis is not None and -(2**63) < millis < 2**63):
            return
        if text and isinstance(value, str) and format == DATE_FORMAT:
            raise unknown(f"dates as text: [{text}]")
        raise Malformed(f"failed to parse date field [{text}] with format [{format}]")

    return check


# Each type's maker of a check, and the parameters that the maker takes.
_TYPES: dict[str, tuple[Callable[..., Check], tuple[str, ...]]] = {
    "keyword": (_keyword, ("ignore_above",)),
    "text": (lambda: _text, ()),
    "byte": (_integer("byte", 8), ()),
    "short": (_integer("short", 16), ()),
    "integer": (_integer("integer", 32), ()),
    "long": (_integer("long", 64), ()),
    "double": (lambda: _number, ()),
    "date": (_date, ("format", "ignore_malformed")),
}
