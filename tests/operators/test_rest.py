"""A worker that waits for another one, at the end of an epoch, leaves the CPU to others."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import cluster_main
from typing_extensions import override

from operators.batch import KEY_GROUPS, Batch, group_index
from operators.output import output_with_ticks
from operators.rest import rest_while_waiting
from sources.epochs import PROCESS
from sources.tick import TickSource

HELD_BACK_SECONDS = 2.0
EPOCH = timedelta(seconds=0.2)


class Slow(FixedPartitionedSink[Any, None]):
    """Its first lane, and so the worker that has it, takes long once."""

    def __init__(self) -> None:
        self.used = 0.0
        """CPU of the process while it was held back, in seconds."""

    @override
    def list_parts(self) -> list[str]:
        return [f"{lane:02d}" for lane in range(len(KEY_GROUPS))]

    @override
    def part_fn(self, item_key: str) -> int:
        return group_index(item_key)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "Lane":
        return Lane(self if for_part == "00" else None)


class Lane(StatefulSinkPartition[Any, None]):
    def __init__(self, slow: Slow | None) -> None:
        self._slow = slow

    @override
    def write_batch(self, values: list[Any]) -> None:
        pass

    @override
    def snapshot(self) -> None:
        if self._slow is not None and not self._slow.used:
            begin = time.process_time()
            time.sleep(HELD_BACK_SECONDS)
            self._slow.used = time.process_time() - begin


def cpu(unread: Callable[[], float]) -> float:
    """The share of a CPU that two workers use while one of them is held back."""
    end = time.monotonic() + HELD_BACK_SECONDS + 2
    slow = Slow()
    flow = Dataflow("rest")
    items = tuple((key, Batch[int]()) for key in KEY_GROUPS)
    every = timedelta(seconds=0.1)
    source = TickSource(items, every=every, stopping=lambda: time.monotonic() > end, epoch=EPOCH)
    ticks = op.input("ticks", flow, source)
    rest_while_waiting("rest", ticks, 2, unread)
    output_with_ticks("out", ticks, ticks, slow)
    cluster_main(flow, [], 0, epoch_interval=EPOCH, worker_count_per_proc=2)
    return slow.used / HELD_BACK_SECONDS


def test_a_worker_that_waits_rests() -> None:
    never = 0.0
    assert cpu(PROCESS.unread) < cpu(lambda: never) / 2
