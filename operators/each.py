"""One function for the records of a stream of batches."""

from typing import Callable, Iterable, Sequence, TypeVar  # noqa: UP035 - Bytewax takes collections.abc's for a class on Python 3.10

import bytewax.operators as op
from bytewax.dataflow import Stream, operator

from operators.batch import Batch

X = TypeVar("X")
Y = TypeVar("Y")

Batches = Stream[tuple[str, Batch[X]]]


@operator
def each(step_id: str, up: Batches[X], function: Callable[[X], Y]) -> Batches[Y]:
    """Replace each record by what ``function`` makes of it; what it raises stops the flow.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3]))]))
    >>> op.output("out", each("double", numbers, lambda number: 2 * number), TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [2, 4, 6])]
    """

    def step(items: list[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[Y]]]:
        return [(key, Batch(map(function, records))) for key, records in items]

    return op.flat_map_batch("each", up, step)


@operator
def together(step_id: str, up: Batches[X], function: Callable[[Sequence[X]], Iterable[Y]]) -> Batches[Y]:
    """Replace the records of each batch by what ``function`` makes of all of them; what it raises stops the flow.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3]))]))
    >>> op.output("out", together("reverse", numbers, reversed), TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [3, 2, 1])]
    """

    def step(items: list[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[Y]]]:
        return [(key, Batch(function(records))) for key, records in items]

    return op.flat_map_batch("together", up, step)


@operator
def where(step_id: str, up: Batches[X], predicate: Callable[[X], bool]) -> Batches[X]:
    """Keep the records for which ``predicate`` holds.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3]))]))
    >>> op.output("out", where("odd", numbers, lambda number: number % 2 == 1), TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [1, 3])]
    """

    def step(items: list[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[X]]]:
        kept = ((key, Batch(filter(predicate, records))) for key, records in items)
        return [item for item in kept if item[1]]

    return op.flat_map_batch("where", up, step)
