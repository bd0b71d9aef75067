"""Faults that tests inject between a client and the stand-in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from servers.embedded.elasticsearch.errors import Refused


class Request(NamedTuple):
    """A request that may fail."""

    method: str
    path: str
    """Without the query: ``/ratings/_bulk``."""
    body: bytes
    """Decompressed."""


ItemFaults = Callable[[int, str], int | tuple[int, str] | None]
"""Maps the position (from 0) and the id of a bulk's item to the status of its error, or to status and type. None: the
item is carried out."""


@dataclass(frozen=True)
class Fault:
    """The fault of one request. By default there is none.

    Args:
        delay: seconds until the request is looked at.
        drop: close the connection without an answer, before or after the request is carried out.
        status: answer with an error of this status; the request is not carried out.
        items: refuse these items of a bulk; the others are carried out.
    """

    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    status: int | None = None
    items: ItemFaults | None = None


Faults = Callable[[Request], Fault | None]
"""Called once for each request, by one thread at a time. None: no fault."""


def in_turn(*faults: Fault | None) -> Faults:
    """Each bulk request takes the next of these faults. Later bulks and all other requests have none."""
    left: Iterator[Fault | None] = iter(faults)
    return lambda request: next(left, None) if request.path.endswith("/_bulk") else None


_TYPES = {
    400: "illegal_argument_exception",
    401: "security_exception",
    403: "security_exception",
    429: "es_rejected_execution_exception",
    503: "unavailable_shards_exception",
}


def refusal(fault: int | tuple[int, str]) -> Refused:
    """The error of a fault. If no type is given, it is the one that the real server has for the status."""
    status, kind = fault if isinstance(fault, tuple) else (fault, _TYPES.get(fault, "exception"))
    return Refused(status, kind, "a fault that a test asked for")
