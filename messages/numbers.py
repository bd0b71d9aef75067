"""Whole numbers as producers and connectors write them, and the reason if a value is not a whole number."""

import re
from base64 import b64decode
from binascii import Error

from messages.errors import InvalidRecord

_DIGITS = re.compile("-?[0-9]{1,20}")
_MOST = 2**63
_EXACT = 2**53
"""A 64-bit float holds every whole number below it. From there on, the float may be a neighbour of the number."""


def whole(name: str, value: object) -> object:
    """The number of a field as an int, if it was written with a point or an exponent: 1.0, 1e3.

    Any other value is returned unchanged, for the field's type to refuse.

    Raises:
        InvalidRecord: the value has a known cause, which the message names.
    """
    if isinstance(value, float) and value.is_integer():
        if abs(value) >= _MOST:
            raise InvalidRecord(f"{name} must fit into 64 bits")
        if abs(value) >= _EXACT:
            raise InvalidRecord(
                f"{name} is the floating-point number {value!r}, whose last digits may be lost: write a whole number"
            )
        return int(value)
    if isinstance(value, dict):
        _refuse_object(name, value)
    return value


def whole_id(name: str, value: object) -> int:
    """An id: a whole number, also as text.

    Raises:
        InvalidRecord: the value is not an id; the message says why.
    """
    value = whole(name, value)
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise InvalidRecord(f"{name} must be a whole number, not {value[:80]!r}{_hint(value)}")
        value = int(value)
    if type(value) is not int:
        raise InvalidRecord(f"{name} must be a whole number, not {str(value)[:80]}")
    if not -_MOST <= value < _MOST:
        raise InvalidRecord(f"{name} must fit into 64 bits")
    return value


def _refuse_object(name: str, value: dict[str, object]) -> None:
    if value.keys() == {"scale", "value"}:
        raise InvalidRecord(
            f"{name} is a decimal of variable scale, an object of scale and value: "
            "set the connector's decimal.handling.mode to string"
        )
    if len(value) == 1 and next(iter(value)).startswith("$"):
        raise InvalidRecord(f"{name} is MongoDB's extended JSON: unwrap it with ExtractNewDocumentState")


def _hint(text: str) -> str:
    try:
        is_decimal = 0 < len(b64decode(text, validate=True)) <= 9 and not (text.isalpha() and text.islower())
    except (Error, ValueError):
        return ""
    return "; it looks like a decimal in Base64: set the connector's decimal.handling.mode to string" * is_decimal
