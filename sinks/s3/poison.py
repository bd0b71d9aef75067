"""Which of many records a function cannot take: a record that breaks it must not keep the others from their object."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sinks.s3.errors import describe
from sinks.s3.format import ColumnsError

X = TypeVar("X")
Y = TypeVar("Y")

Rejection = tuple[Any, str, str]
"""A record, the name of the error that it makes, and the error in a sentence."""

_NOT_THE_RECORDS = (MemoryError, OSError, ColumnsError)
"""Errors that say nothing of a single record."""


def apart(
    make: Callable[[Sequence[X]], Y], records: Sequence[X]
) -> tuple[list[tuple[Sequence[X], Y]], list[Rejection]]:
    """What ``make`` makes of the records, at once where it can, and the records that it cannot take even alone.

    Where it fails, each half is tried: one bad record in n costs 2 log n more calls. Where halves can be made and the
    whole cannot, the halves it is.

    Raises:
        MemoryError, OSError, ColumnsError: what ``make`` raises of these, for they are no record's fault.
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
