"""One key for all batches of a worker, for an output of which each partition costs."""

import threading
from collections.abc import Iterable

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
    """Give batches the key of the first key group that their worker has: its own, so that they stay in their process.

    The records of a key keep their order within a run of the flow. Which groups a worker has shows as they come: a
    group before those so far takes over, once, or a few times where records are rare. In another run, or with another
    number of workers, a key's records may go elsewhere: what takes them must not depend on it.

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
        return [(key, records) for _, records in items]

    return op.flat_map_batch("gather", up, step)
