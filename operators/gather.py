"""Batches of a worker together or by key group: each item of a stream costs Bytewax some microseconds a step."""

import threading
from collections.abc import Callable, Iterable
from itertools import chain

import bytewax.operators as op
from bytewax.dataflow import operator

from operators.batch import KEY_GROUPS, Batch, group_index
from operators.each import Batches, X


class Home(threading.local):
    """The key that the batches of a worker, which is a thread, are given."""

    def __init__(self) -> None:
        self._group = len(KEY_GROUPS)

    def key(self, keys: Iterable[str]) -> str:
        """The key of the first key group that the worker has, as far as is known, now that these have come."""
        self._group = min(self._group, *map(group_index, keys))
        return KEY_GROUPS[self._group]


@operator
def gather(step_id: str, up: Batches[X]) -> Batches[X]:
    """Join the batches that a worker has at a time into one, under the key of the first key group of the worker.

    The batch stays in its worker, and the records of a key keep their order within a run of the flow. A worker learns
    its key groups as they come: a lower group takes over, once, or a few times where records are rare. In another run,
    or with another number of workers, another group may come first: the steps behind must not depend on it.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("h7k0", Batch([1])), ("exk", Batch([2])), ("h7k0", Batch([3]))]))
    >>> op.output("out", gather("gather", numbers), TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('h7k0', [1]), ('exk', [2]), ('exk', [3])]
    """
    home = Home()

    def step(items: list[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[X]]]:
        key = home.key(key for key, _ in items)
        return [(key, Batch(chain.from_iterable(records for _, records in items)))]

    return op.flat_map_batch("gather", up, step)


@operator
def spread(step_id: str, up: Batches[X], key: Callable[[X], int]) -> Batches[X]:
    """Undo ``gather``: the records by the key group of their key.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 16, 17]))]))
    >>> op.output("out", spread("spread", numbers, int), TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [16]), ('h7k0', [1, 17])]
    """
    count = len(KEY_GROUPS)

    def step(items: list[tuple[str, Batch[X]]]) -> Iterable[tuple[str, Batch[X]]]:
        groups: list[Batch[X]] = [Batch() for _ in KEY_GROUPS]
        for _, records in items:
            for record in records:
                groups[key(record) % count].append(record)
        return [item for item in zip(KEY_GROUPS, groups, strict=True) if item[1]]

    return op.flat_map_batch("spread", up, step)
