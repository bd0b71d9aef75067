"""A worker that waits for other workers rests, and tells them that it waits.

At the end of an epoch a source is not read before all workers have ended it. If one of them is held back, by an output
for instance, Bytewax turns the loops of the others without a pause: each uses a whole CPU for as long as that takes.
Nor does Bytewax say for whom they wait. It asks no source meanwhile, but it notifies stateful steps.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import StatefulBatchLogic
from typing_extensions import override

from operators.batch import KEY_GROUPS, group_index

_AFTER = 0.25
"""The wait after which a worker rests, in seconds. Most commits are shorter, and none of them is longer for it."""
_REST = 0.005
"""How long it rests at each turn of its loop, in seconds. The end of a wait is passed on within some turns."""
_AT_ONCE = datetime.fromtimestamp(0, timezone.utc)
_TELL = 1.0
"""The wait after which a worker tells the others, and the time until it does so again, in seconds."""


@dataclass(frozen=True)
class Waits:
    """How the workers of a cluster wait for each other."""

    workers: int = 1
    """Of all processes."""
    unread: Callable[[], float] = lambda: 0.0
    """For how long the worker that calls it has read no source, in seconds."""
    told: Callable[[int], None] = lambda _: None
    """Called in each worker, again and again, with the number of a worker that waits for another one."""


def wait_together(step_id: str, ticks: Stream[tuple[str, Any]], waits: Waits) -> None:
    """Let workers rest while they wait, and tell each other so.

    It is not a Bytewax operator, as ``output_with_ticks``.

    Args:
        step_id: Unique in the flow.
        ticks: Something for each key group, once at least.
        waits: How they wait.
    """
    everyone = KEY_GROUPS[: waits.workers]

    def to_everyone(waiting: tuple[str, Any]) -> Iterable[tuple[str, int]]:
        return [(key, group_index(waiting[0])) for key in everyone]

    one_a_worker = op.filter(f"{step_id}_workers", ticks, lambda tick: tick[0] in everyone)
    waiting = op.stateful_batch(step_id, one_a_worker, lambda _: _Waiting(waits.unread))
    told = op.flat_map(f"{step_id}_everyone", waiting, to_everyone)
    op.stateful_batch(f"{step_id}_told", told, lambda _: _Told(waits.told))


class _Waiting(StatefulBatchLogic[Any, None, None]):
    """Emits something each second while its worker waits."""

    def __init__(self, unread: Callable[[], float]) -> None:
        self._unread = unread
        self._tell_at = 0.0

    @override
    def on_batch(self, values: list[Any]) -> tuple[list[None], bool]:
        return [], False

    @override
    def on_notify(self) -> tuple[list[None], bool]:
        unread, now = self._unread(), time.monotonic()
        if unread >= _AFTER:
            time.sleep(_REST)
        if unread < _TELL or now < self._tell_at:
            return [], False
        self._tell_at = now + _TELL
        return [None], False

    @override
    def notify_at(self) -> datetime:
        left = _AFTER - self._unread()
        # For Bytewax it is still the time before the rest: a rest that ends now lies in its future.
        return datetime.now(timezone.utc) + timedelta(seconds=left) if left > 0 else _AT_ONCE

    @override
    def snapshot(self) -> None:
        return None


class _Told(StatefulBatchLogic[int, None, None]):
    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told

    @override
    def on_batch(self, values: list[int]) -> tuple[list[None], bool]:
        for worker in values:
            self._told(worker)
        return [], False

    @override
    def snapshot(self) -> None:
        return None
