"""Watches the process from a thread of its own, and ends it when it can do nothing useful any more."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from prometheus_client import Gauge

from dataflows import process
from dataflows.health.condition import Bounds, Ending, Phase, Seen, Stillness, ending, unready
from dataflows.health.connections import Connections
from dataflows.health.place import place
from dataflows.process import Launch
from operators.wait import Waits
from settings import Settings
from sinks.background import Every, is_any_held_back
from sinks.kafka import DELIVERY_SECONDS
from sinks.outage import outages
from sources.epochs import PROCESS

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_READY_SECONDS = 10.0
_FIRST_REPORT_SECONDS = 3.0
_LOG_SECONDS = 2.0
_SILENT_SECONDS = 3.0
"""A process that waits for another one tells it once a second."""
_MARGIN_SECONDS = 10.0
"""A flush waits for five seconds longer than librdkafka for its messages."""

_ready = Gauge("flow_ready", "Whether this process is ready, as at /readyz: 1 is, 0 is not")
_connected = Gauge("flow_peers", "Other processes of the cluster that this process is connected to")

_needs: dict[str, Callable[[], str | None]] = {}


def need(part: str, why_not: Callable[[], str | None]) -> None:
    """Have the flow count as ready only while ``why_not`` returns None; else it returns a reason."""
    _needs[part] = why_not


def bounds(settings: Settings, launch: Launch) -> Bounds:
    """The bounds by the settings."""
    delivery = float(settings.properties.get("message.timeout.ms", 0)) / 1000 or DELIVERY_SECONDS
    epoch = launch.epoch.total_seconds()
    return Bounds(
        connect=settings.cluster.connect,
        stall=max(settings.cluster.stall, delivery + _MARGIN_SECONDS) + 2 * epoch,
        ready=max(_READY_SECONDS, 3 * epoch),
    )


def waits() -> Waits:
    """How the workers of this cluster wait for each other; what they tell is kept for the watch."""
    return Waits(process.launch().all_workers, PROCESS.unread, _tell)


_told: dict[int, float] = {}
"""When each worker last told that it waits, in seconds of the monotonic clock."""


def _tell(worker: int) -> None:
    _told[worker] = time.monotonic()


class Watch:
    """Watches this process.

    Args:
        bounds: what is too long.
        launch: names the other processes.
    """

    def __init__(self, bounds: Bounds, launch: Launch) -> None:
        self.bounds = bounds
        self._peers = {
            number: f"process {number} at {at}"
            for number, at in enumerate(launch.addresses)
            if number != launch.process
        }
        self._launch = launch
        self._connections: Connections | None = None
        self._left: float | None = None
        self._phase, self._since = Phase.STARTING, time.monotonic()
        self._stillness = Stillness(self._since)
        self._still = 0.0
        self._said_stop = False
        self._report = Every(after=_FIRST_REPORT_SECONDS)

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def connecting(self) -> None:
        """The flow is made: from here on Bytewax waits for the other processes."""
        self._enter(Phase.CONNECTING)

    def look(self) -> Seen:
        """What is known of the process now."""
        return Seen(
            phase=self._phase,
            in_phase=time.monotonic() - self._since,
            still=self._still,
            stopping=process.stopping_for(),
            place=place(PROCESS.read),
            outages=outages(),
            peers=[*self._peers.values()],
            silent=[name for number, name in self._peers.items() if self._is_silent(number)],
            left=0.0 if self._left is None else time.monotonic() - self._left,
            lacks={part: why for part, why_not in _needs.items() if (why := why_not()) is not None},
        )

    def _is_silent(self, number: int) -> bool:
        workers = range(number * self._launch.workers, (number + 1) * self._launch.workers)
        return any(time.monotonic() - _told.get(worker, 0.0) > _SILENT_SECONDS for worker in workers)

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since = phase, time.monotonic()

    def _rest(self) -> None:
        if self._said_stop:
            time.sleep(_LOOK_SECONDS)
        elif (by := process.wait_for_stop(_LOOK_SECONDS)) is not None:
            self._said_stop = True
            log.info("stopping: asked by %s", by)

    def _run(self) -> None:
        while True:
            self._rest()
            if self._phase is not Phase.RUNNING and PROCESS.read:
                self._enter(Phase.RUNNING)
                if self._peers:
                    addresses = self._launch.addresses
                    self._connections = Connections(addresses[self._launch.process], addresses)
            if self._left is None and self._connections is not None and self._connections.lost():
                self._left = time.monotonic()
            counts = self._phase is Phase.RUNNING and not outages() and not is_any_held_back()
            self._still = self._stillness.look(time.monotonic(), PROCESS.ended, counts=counts)
            seen = self.look()
            _ready.set(not any(unready(seen, self.bounds).values()))
            _connected.set(len(self._peers) if seen.phase is Phase.RUNNING else 0)
            if (end := ending(seen, self.bounds)) is not None:
                _end(end)
            if seen.phase is Phase.CONNECTING and self._peers and self._report():
                log.info("waiting for %s", " and ".join(self._peers.values()))


def end(why: str) -> NoReturn:
    """End the process with code 1, and one line. Any thread may call it."""
    _end(Ending(1, why))


def _end(end: Ending) -> NoReturn:
    # Whoever reads the log may be stuck as well.
    last = threading.Timer(_LOG_SECONDS, os._exit, [end.code])
    last.daemon = True
    last.start()
    log.log(logging.ERROR if end.code else logging.INFO, "%s", end.why, extra={"event": "the process ends"})
    logging.shutdown()
    os._exit(end.code)
