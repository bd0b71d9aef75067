"""Since when, and why, a destination has not taken records: what the log says, for those who look from outside."""

import time
from collections.abc import Callable
from threading import Lock, get_ident

from prometheus_client import Gauge

from .background import Every

_outages = Gauge(
    "sink_held_back_timestamp_seconds",
    "Time since which a destination has not taken some records, in epoch seconds; absent while it takes all",
    ["destination", "cause"],
)

_LONGEST_CAUSE = 200


class Outage:
    """The records that a destination is asked in vain to take. Each thread that sends records reports its own.

    Args:
        destination: its name.
        clock: epoch seconds.
    """

    def __init__(self, destination: str, clock: Callable[[], float] = time.time) -> None:
        self._destination, self._clock = destination, clock
        self._lock = Lock()
        self._since: dict[int, float] = {}  # by thread
        self._cause: str | None = None
        self._renew = Every(clock=clock)

    def failed(self, cause: str) -> None:
        """The destination has taken nothing of what this thread sent. The cause that is shown changes each 10 s."""
        with self._lock:
            self._since.setdefault(get_ident(), self._clock())
            if self._renew() or self._cause is None:
                self._show(" ".join(cause.split())[:_LONGEST_CAUSE])

    def over(self) -> None:
        """It has taken some, or this thread asks it no more."""
        if get_ident() in self._since:
            with self._lock:
                del self._since[get_ident()]
                self._show(self._cause if self._since else None)

    def _show(self, cause: str | None) -> None:
        if self._cause not in {None, cause}:
            _outages.remove(self._destination, self._cause)
        self._cause = cause
        if cause is not None:
            _outages.labels(self._destination, cause).set(min(self._since.values()))


def outages() -> dict[str, str]:
    """The cause by destination, of those that take nothing now."""
    samples = [sample for family in _outages.collect() for sample in family.samples]
    return {sample.labels["destination"]: sample.labels["cause"] for sample in samples}
