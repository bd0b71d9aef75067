"""From what is seen of a process to whether it is alive, whether it is ready, and whether it must end. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Phase(Enum):
    """What a process has reached."""

    STARTING = "starting"
    """It waits for brokers and topics."""
    CONNECTING = "connecting"
    """It waits for the other processes of the cluster."""
    RUNNING = "running"
    """Its sources are built."""


@dataclass(frozen=True)
class Bounds:
    """How long is long, in seconds."""

    connect: float
    """For the other processes to come."""
    stall: float
    """Without the end of an epoch: longer than any wait of a healthy process."""
    ready: float
    """Without the end of an epoch, for a process that is ready."""
    left: float = 2.0
    """After another process has ended: Bytewax may end this one, too, with a line of its own."""
    leave: float = 10.0
    """After it was asked to stop, for the other processes to stop as well."""
    abandon: float = 1.0
    """After it was asked to stop, for a process that does not run yet."""


@dataclass(frozen=True)
class Seen:
    """A process at a time. Durations are seconds."""

    phase: Phase
    in_phase: float = 0.0
    still: float = 0.0
    """Since the last end of an epoch; ``Stillness``."""
    stopping: float | None = None
    """Since it was asked to stop. None: it was not."""
    place: str | None = None
    """Where a worker is in Python code. None: all are in Bytewax."""
    outages: Mapping[str, str] = field(default_factory=dict)
    """Why a destination takes nothing, by its name."""
    peers: Sequence[str] = ()
    """The other processes of the cluster, by number and address."""
    silent: Sequence[str] = ()
    """Those of them that have not told lately that they wait, too."""
    left: float = 0.0
    """Since another process has closed its connection to this one."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What else the flow needs to be ready, and why it has not got it yet."""


class Ending(NamedTuple):
    """A process must end."""

    code: int
    why: str


def ending(seen: Seen, bounds: Bounds) -> Ending | None:
    """Why the process must end at once. None: it need not."""
    if seen.phase is not Phase.RUNNING:
        if seen.stopping is not None and seen.stopping >= bounds.abandon:
            return Ending(0, "stopped before the flow ran")
        if seen.phase is Phase.CONNECTING and seen.peers and seen.in_phase > bounds.connect:
            peers = " and ".join(seen.peers)
            return Ending(1, f"waited {bounds.connect:.0f} s for {peers}: the processes of a cluster start together")
        return None
    if seen.peers and seen.place is None and seen.stopping is not None and seen.stopping >= bounds.leave:
        return Ending(
            1,
            f"leaves without a last snapshot: within {bounds.leave:.0f} s of the stop there was no answer from "
            f"{' and '.join(_suspects(seen))}",
        )
    if seen.left > bounds.left and seen.stopping is None:
        return Ending(1, f"{' or '.join(_suspects(seen))} has ended: its connection is closed")
    if seen.still > bounds.stall:
        return Ending(1, f"no epoch has ended for {seen.still:.0f} s: {_culprit(seen)}")
    return None


def _suspects(seen: Seen) -> Sequence[str]:
    return seen.silent or seen.peers


def _culprit(seen: Seen) -> str:
    if seen.place is not None:
        return f"a worker is stuck in {seen.place}"
    if seen.silent:
        return f"this process waits for {' or '.join(seen.silent)}, or for the disk of the recovery store"
    return "Bytewax waits, perhaps for the disk of the recovery store"


def unready(seen: Seen, bounds: Bounds) -> dict[str, str | None]:
    """Why each part is not ready; None: it is."""
    running = seen.phase is Phase.RUNNING
    parts: dict[str, str | None] = {
        "process": None if seen.stopping is None else "it stops",
        "peers": None if running or not seen.peers else f"{seen.phase.value} for {seen.in_phase:.0f} s",
        "sources": None,
        **seen.lacks,
        "outputs": "; ".join(f"{name}: {why}" for name, why in seen.outages.items()) or None,
    }
    if not running:
        parts["sources"] = "not built yet"
    elif seen.still > bounds.ready:
        parts["sources"] = f"no epoch has ended for {seen.still:.0f} s"
    return parts


class Stillness:
    """Counts the seconds without progress.

    The time in which the process itself was suspended is not counted: when it wakes, it cannot yet know whether the
    others have moved.
    """

    _LONGEST = 2.0

    def __init__(self, now: float) -> None:
        self._at, self._mark, self._seconds = now, 0.0, 0.0

    def look(self, now: float, mark: float, *, counts: bool) -> float:
        """Return the seconds since ``mark`` has changed.

        Args:
            now: seconds, of any clock.
            mark: changes with each progress.
            counts: whether the time since the last look counts.
        """
        passed, self._at = min(now - self._at, self._LONGEST), now
        if mark != self._mark:
            self._mark, self._seconds = mark, 0.0
        elif counts:
            self._seconds += passed
        return self._seconds
