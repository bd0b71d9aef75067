"""A worker that waits for other workers rests.

At the end of an epoch a source is not read before all workers have ended it. If one of them is held back, by an output
for instance, Bytewax turns the loops of the others without a pause: each uses a whole CPU for as long as that takes.
Bytewax asks no source meanwhile, but it notifies stateful steps.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import StatefulBatchLogic
from typing_extensions import override

from operators.batch import group_index

_AFTER = 0.25
"""The wait after which a worker rests, in seconds. Most commits are shorter, and none of them is longer for it."""
_REST = 0.005
"""How long it rests at each turn of its loop, in seconds. The end of a wait is passed on within some turns."""


def rest_while_waiting(step_id: str, ticks: Stream[tuple[str, Any]], workers: int, unread: Callable[[], float]) -> None:
    """Let each of ``workers`` rest while it waits.

    It is not a Bytewax operator, as ``output_with_ticks``.

    Args:
        step_id: of the step.
        ticks: something for each key group, once at least.
        workers: of the whole cluster.
        unread: for how long the worker that calls it has read no source, in seconds. It is called in each of them.
    """
    one_a_worker = op.filter(f"{step_id}_workers", ticks, lambda tick: group_index(tick[0]) < workers)
    op.stateful_batch(step_id, one_a_worker, lambda _: _Rest(unread))


class _Rest(StatefulBatchLogic[Any, Any, None]):
    def __init__(self, unread: Callable[[], float]) -> None:
        self._unread = unread

    @override
    def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
        return [], False

    @override
    def on_notify(self) -> tuple[list[Any], bool]:
        if self._unread() > _AFTER:
            time.sleep(_REST)
        return [], False

    @override
    def notify_at(self) -> datetime:
        now = datetime.now(timezone.utc)
        return now if self._unread() > _AFTER else now + timedelta(seconds=_AFTER)

    @override
    def snapshot(self) -> None:
        return None
