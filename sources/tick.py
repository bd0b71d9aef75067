"""A tick each second, for outputs that must act although no records come."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from typing_extensions import override

from sources.epochs import BYTEWAX_DEFAULT, Epochs, Shared
from sources.failures import log_failures

X = TypeVar("X")

_REST = 0.05  # seconds: a stop does not wait for the next tick


@dataclass(frozen=True)
class TickSource(FixedPartitionedSource[X, None]):
    """Emits ``items`` each second; without items it ends at once.

    Bytewax takes a snapshot of a sink partition only in an epoch in which the partition was given an item. An empty
    batch a second lets each lane roll files, commit, and write dead letters while no records come.
    """

    items: tuple[X, ...]
    every: timedelta = timedelta(seconds=1)
    stopping: Callable[[], bool] = lambda: False
    epoch: timedelta = BYTEWAX_DEFAULT
    """The flow's epoch interval."""

    @override
    def list_parts(self) -> list[str]:
        return ["tick"]

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_Ticks[X]":
        return _Ticks(self)


class _Ticks(StatefulSourcePartition[X, None]):
    name = "ticks"

    def __init__(self, source: TickSource[X]) -> None:
        self._source = source
        self._epochs = Epochs(source.epoch, Shared())
        self._next = datetime.now(timezone.utc)

    @override
    @log_failures
    def next_batch(self) -> Iterable[X]:
        self._epochs.reading()
        if self._source.stopping() or not self._source.items:
            raise StopIteration
        now = datetime.now(timezone.utc)
        if now < self._next:
            return ()
        self._next = now + self._source.every
        return self._source.items

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(_REST)

    @override
    def snapshot(self) -> None:
        self._epochs.ended()
