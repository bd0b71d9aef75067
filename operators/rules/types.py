"""The types of the language: those of DuckDB that a rule can work with."""

from enum import Enum


class Type(Enum):
    """A type; its value is its name in an error message."""

    BOOLEAN = "a condition"
    INTEGER = "a whole number"
    """Of 32 bits: what DuckDB takes a small literal for."""
    BIGINT = "a number"
    """Of 64 bits."""
    DECIMAL = "a number with a fraction"
    """Only literals are."""
    DOUBLE = "a number of type DOUBLE"
    VARCHAR = "text"
    NULL = "NULL"
    """Of a value that is always null: it goes with every other type."""


WHOLE = frozenset({Type.INTEGER, Type.BIGINT})
NUMBERS = WHOLE | {Type.DECIMAL, Type.DOUBLE}
