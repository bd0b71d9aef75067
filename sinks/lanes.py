"""Sinks in lanes: partitions that keys are spread over, and that have something in common within a process."""

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
    """A partitioned sink whose partitions mean nothing to the other side."""

    lanes: int = 16
    """Partitions of the sink, which are spread over the workers: at least as many as workers."""
    lane_of: Callable[[str], int] = lambda key: adler32(key.encode())
    """Which lane takes a key's items, modulo ``lanes``: items of one lane keep their order."""

    @override
    def list_parts(self) -> list[str]:
        return [f"{lane:04d}" for lane in range(self.lanes)]

    @override
    def part_fn(self, item_key: str) -> int:
        return self.lane_of(item_key)


class Shared(Generic[R]):
    """What the lanes of a process have in common: made for the first that opens it, closed by the last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: list[R] = []
        self._users = 0

    def open(self, make: Callable[[], R]) -> R:
        """What they share; every lane that has it must release it."""
        with self._lock:
            if not self._made:
                self._made.append(make())
            self._users += 1
            return self._made[0]

    def release(self, close: Callable[[R], None]) -> None:
        """A lane needs it no longer."""
        with self._lock:
            self._users -= 1
            if not self._users:
                close(self._made.pop())
