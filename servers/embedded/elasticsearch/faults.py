"""Faults for tests: what can go wrong between a client and a cluster, at will."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from servers.embedded.elasticsearch.errors import Refused


class Request(NamedTuple):
    """A request that may meet a fault."""

    method: str
    path: str
    """Without the query: ``/ratings/_bulk``."""
    body: bytes
    """Not compressed any more."""


ItemFaults = Callable[[int, str], int | tuple[int, str] | None]
"""From the position (from 0) and the id of an item of a bulk to the status that it is refused with, or to the status
and the type of the error; None for an item that is carried out."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; the defaults are what does not.

    Args:
        delay: seconds until anything happens.
        drop: close the connection without an answer: before the request was carried out, or after.
        status: the status of an answer without the request being carried out.
        items: which items of a bulk are refused.
    """

    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    status: int | None = None
    items: ItemFaults | None = None


Faults = Callable[[Request], Fault | None]
"""Asked once for each request, never by two threads at a time; None: all goes well."""


def in_turn(*faults: Fault | None) -> Faults:
    """Give one bulk request after the other the next of these; all goes well with those after them, and with others."""
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
    """The error for a status, of the type that the server has for it if none is given."""
    status, kind = fault if isinstance(fault, tuple) else (fault, _TYPES.get(fault, "exception"))
    return Refused(status, kind, "a fault that a test asked for")
