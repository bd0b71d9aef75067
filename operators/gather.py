"""Batches of a worker together or by key group: each item of a stream costs Bytewax some microseconds a step."""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import bytewax.operators as op
from bytewax.dataflow import operator

from operators.batch import KEY_GROUPS, Batch, group_index
from operators.each import Batches, X


class Home(threading.local):
    """Joins batches of a worker, which is a thread, under the key of the first key group of the worker.

    The batches stay in their worker, and the records of a key keep their order within a run of the flow. A worker
    learns its key groups as they come: a lower group takes over, once, or a few times where records are rare. In
    another run, or with other workers, another group may come first: the steps behind must not depend on it.
    """

    def __init__(self) -> None:
        self._group = len(KEY_GROUPS)

    def key(self, keys: Iterable[str]) -> str:
        """The key of the first key group that the worker has, as far as is known, now that these have come."""
        self._group = min(self._group, *map(group_index, keys))
        return KEY_GROUPS[self._group]

    def gather(self, items: Sequence[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[X]]]:
        """The batches as one."""
        if not items:
            return []
        key = self.key(key for key, _ in items)
        return [(key, Batch(chain.from_iterable(batch for _, batch in items)))]


@operator
def spread(step_id: str, up: Batches[X], key: Callable[[X], int]) -> Batches[X]:
    """Give gathered records the key group of their key again.

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
