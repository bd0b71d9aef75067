"""A tick each second, for outputs that must act although no records come."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from typing_extensions import override

from sources.epochs import BYTEWAX_DEFAULT, Epochs, Shared
from sources.failures import log_failures

X = TypeVar("X")

_REST = 0.05  # seconds: a stop does not wait for the next tick
_FORMER = "tick"
"""The only partition of version 0.1. Recovery stores have its state, and Bytewax wants it listed: it ends at once."""


@dataclass(frozen=True)
class TickSource(FixedPartitionedSource[X, None]):
    """Emits each of ``items`` once a second, from a partition of its own.

    Partition ``i`` is on worker ``i % workers``, so an item for key group ``i`` does not leave its worker.

    Bytewax takes a snapshot of a sink partition only in an epoch in which the partition was given an item. An empty
    batch a second lets each lane roll files, commit, and write dead letters while no records come.
    """

    items: tuple[X, ...]
    last: tuple[X, ...] = ()
    """What each partition emits before it ends, because it is ``stopping``."""
    every: timedelta = timedelta(seconds=1)
    stopping: Callable[[], bool] = lambda: False
    epoch: timedelta = BYTEWAX_DEFAULT
    """The flow's epoch interval."""
    _shared: dict[int, Shared] = field(default_factory=lambda: defaultdict(Shared), repr=False, compare=False)
    """By the thread of their worker."""

    @override
    def list_parts(self) -> list[str]:
        return [*(f"{number:04d}" for number in range(len(self.items))), _FORMER]

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> StatefulSourcePartition[X, None]:
        if for_part == _FORMER:
            return _Former()
        return _Ticks(self, self.items[int(for_part)], self._shared[threading.get_ident()])


class _Ticks(StatefulSourcePartition[X, None]):
    name = "ticks"

    def __init__(self, source: TickSource[X], item: X, shared: Shared) -> None:
        self._source, self._item = source, (item,)
        self._epochs = Epochs(source.epoch, shared)
        self._next = datetime.now(timezone.utc)
        self._has_ended = False

    @override
    @log_failures
    def next_batch(self) -> Iterable[X]:
        self._epochs.reading()
        if self._has_ended:
            raise StopIteration
        if self._source.stopping():
            self._has_ended = True
            return self._source.last
        now = datetime.now(timezone.utc)
        if now < self._next:
            return ()
        self._next = now + self._source.every
        return self._item

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(_REST)

    @override
    def snapshot(self) -> None:
        self._epochs.ended()


class _Former(StatefulSourcePartition[Any, None]):
    @override
    def next_batch(self) -> Iterable[Any]:
        raise StopIteration

    @override
    def snapshot(self) -> None:
        return None
