"""Lanes: the partitions of a sink whose destination has none, or has others."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar
from zlib import adler32

from bytewax.outputs import FixedPartitionedSink
from typing_extensions import override

X = TypeVar("X")
S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class LanedSink(FixedPartitionedSink[X, S]):
    """A sink with a fixed number of lanes, which Bytewax spreads over the workers.

    A recovery store with a lane's state can only be resumed by a sink that still has that lane.
    """

    lanes: int = 16
    """At least as many as workers."""
    lane_of: Callable[[str], int] = lambda key: adler32(key.encode())
    """The lane of a key, modulo ``lanes``. Items of one lane keep their order."""

    @override
    def list_parts(self) -> list[str]:
        return [f"{lane:04d}" for lane in range(self.lanes)]

    @override
    def part_fn(self, item_key: str) -> int:
        return self.lane_of(item_key)


class Shared(Generic[R]):
    """Threads or clients that the lanes of a process share: the first lane makes them, the last one closes them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: list[R] = []
        self._users = 0

    def open(self, make: Callable[[], R]) -> R:
        """Return what is shared; the lane calls ``release`` when it is closed."""
        with self._lock:
            if not self._made:
                self._made.append(make())
            self._users += 1
            return self._made[0]

    def release(self, close: Callable[[R], None]) -> None:
        """Take a lane away; close what is shared if it was the last."""
        with self._lock:
            self._users -= 1
            if not self._users:
                close(self._made.pop())
