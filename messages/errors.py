"""Reasons for which a record cannot be decoded; the class name is the ``error`` of its dead letter."""

import re

import msgspec


class DecodeError(ValueError):
    """A record does not belong on its topic; the message is a sentence for a person."""


class EmptyValue(DecodeError):
    """The value has no bytes."""


class TooLarge(DecodeError):
    """The value is over the limit on a record's size."""


class NotUtf8(DecodeError):
    """The value is not UTF-8 text."""


class NotJson(DecodeError):
    """The value is text, but not JSON."""


class UnsupportedFormat(DecodeError):
    """The value is in an encoding that is recognised but cannot be read."""


class UnknownSchema(DecodeError):
    """The schema registry does not know the schema that the record names."""


class MalformedAvro(DecodeError):
    """The bytes do not fit the schema that the record names."""


class InvalidRecord(DecodeError):
    """The value can be read, but a field is missing or of the wrong type."""


_TYPE = re.compile(
    r"Expected `(?P<wanted>.+?)`(?: (?P<bound>[<>]=? -?\d+))?(?:, got `(?P<got>.+?)`)?"
    r"(?: - at `\$\.?(?P<path>.*?)`)?$"
)
_MISSING = re.compile(r"Object missing required field `(?P<name>.+?)`")
_WORDS = {
    "int": "a whole number",
    "str": "text",
    "object": "an object",
    "array": "a list",
    "float": "a number with a fraction",
    "bool": "true or false",
}


def _words(types: str) -> str:
    names = [name.strip() for name in types.split("|")]
    if "int" in names and "float" in names:  # only whole floats are accepted
        names.remove("float")
    return " or ".join(_WORDS.get(name, name) for name in names)


def explain(error: msgspec.ValidationError) -> str:
    """A sentence about the record's fields from msgspec's message."""
    text = str(error)
    if missing := _MISSING.match(text):
        return f"field {missing['name']} is missing"
    if mismatch := _TYPE.match(text):
        what = f"field {mismatch['path']}" if mismatch["path"] else "the record"
        if mismatch["bound"]:
            return f"{what} must fit into 64 bits"
        return f"{what} must be {_words(mismatch['wanted'])}, not {_words(mismatch['got'])}"
    if text.startswith("Number out of range"):
        return "a number is out of range: it must fit into 64 bits"
    return text
