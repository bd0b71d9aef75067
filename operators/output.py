"""Outputs whose sinks take snapshots even without records."""

from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from bytewax.outputs import Sink


def output_with_ticks(
    step_id: str, up: Stream[tuple[str, Any]], ticks: Stream[tuple[str, Any]], sink: Sink[Any]
) -> None:
    """Write ``up`` and ``ticks`` to ``sink``; ``ticks`` has an empty batch for each of its partitions each second.

    It is not a Bytewax operator: the output, and so its state, would get the id ``step_id.output``.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, written = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", [1, 2])]))
    >>> ticks = op.input("ticks", flow, TestingSource([("exk", [])]))
    >>> output_with_ticks("out", numbers, ticks, TestingSink(written))
    >>> run_main(flow)
    >>> sorted(written)
    [('exk', []), ('exk', [1, 2])]
    """
    op.output(step_id, op.merge(f"{step_id}_ticks", up, ticks), sink)
