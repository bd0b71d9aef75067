"""A cluster stops as a whole: the process that is asked to stop tells the others through the flow.

Bytewax takes a last snapshot once all sources of all processes have ended. If those of one process end alone, the
others go on, and its partitions are not read.
"""

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.operators import StatefulBatchLogic
from typing_extensions import override

from operators.batch import KEY_GROUPS, Batch


class Last(Batch[Any]):
    """The last tick of a process that stops: to every other step an empty batch."""


LAST_TICKS = tuple((key, Last()) for key in KEY_GROUPS)
"""What a process that stops emits last: one item for each key group, so that every worker gets one."""


def stop_together(step_id: str, ticks: Stream[tuple[str, Any]], stop: Callable[[], None]) -> None:
    """Call ``stop`` in every process as soon as ``ticks`` has a ``Last`` of any process.

    It is called in the thread of a worker, any number of times. It is not a Bytewax operator, as
    ``output_with_ticks``.

    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> from bytewax.dataflow import Dataflow
    >>> flow, stops = Dataflow("doc"), []
    >>> ticks = op.input("ticks", flow, TestingSource([("exk", Batch()), ("exk", Last())]))
    >>> stop_together("stop", ticks, lambda: stops.append("now"))
    >>> op.output("out", ticks, TestingSink([]))
    >>> run_main(flow)
    >>> stops
    ['now']
    """
    op.stateful_batch(step_id, ticks, lambda _: _Listener(stop))


class _Listener(StatefulBatchLogic[Any, Any, None]):
    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    @override
    def on_batch(self, values: list[Any]) -> tuple[list[Any], bool]:
        if any(isinstance(value, Last) for value in values):
            self._stop()
        return [], False

    @override
    def snapshot(self) -> None:
        return None
