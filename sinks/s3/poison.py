"""Finds the records that a function cannot take, so that the others reach their object. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .errors import describe
from .formats.format import ColumnsError

X = TypeVar("X")
Y = TypeVar("Y")

Rejection = tuple[Any, str, str]
"""A record, the name of the error that it causes, and the error in a line."""

_NOT_THE_RECORDS = (MemoryError, OSError, ColumnsError)
"""Errors that no single record causes."""


def apart(
    make: Callable[[Sequence[X]], Y], records: Sequence[X]
) -> tuple[list[tuple[Sequence[X], Y]], list[Rejection]]:
    """Call ``make`` with all records; return its results, and the records that it cannot take even alone.

    If it raises, each half is tried: one bad record in n costs 2 log n more calls. If it takes both halves and not the
    whole, there are two results.

    Raises:
        MemoryError, OSError, ColumnsError: ``make`` raised it, and no record is at fault.
    """
    try:
        return [(records, make(records))], []
    except _NOT_THE_RECORDS:
        raise
    except Exception as error:
        if len(records) == 1:
            return [], [(records[0], type(error).__name__, describe(error))]
    middle = len(records) // 2
    made, rejected = apart(make, records[:middle])
    more, others = apart(make, records[middle:])
    return made + more, rejected + others
