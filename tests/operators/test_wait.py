"""A worker that waits for another one, at the end of an epoch, leaves the CPU to others."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.testing import cluster_main
from typing_extensions import override

from operators.batch import KEY_GROUPS, Batch, group_index
from operators.output import output_with_ticks
from operators.wait import Waits, wait_together
from sources.epochs import PROCESS
from sources.tick import TickSource

HELD_BACK_AT, HELD_BACK_SECONDS = 4, 3.0  # batch: within an epoch
EPOCH = timedelta(seconds=1)


class Slow(FixedPartitionedSink[Any, None]):
    """Its first lane, and so the worker that has it, takes long once."""

    def __init__(self) -> None:
        self.used = 0.0
        """CPU of the process while it was held back, in seconds."""
        self.telling = set[int]()
        """The workers that tell that they wait."""
        self.told = set[int]()
        """Those that had told it by then."""

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
        self._slow, self._batches = slow, 0

    @override
    def write_batch(self, values: list[Any]) -> None:
        self._batches += 1
        if self._slow is not None and self._batches == HELD_BACK_AT:
            begin = time.process_time()
            time.sleep(HELD_BACK_SECONDS)
            self._slow.used = time.process_time() - begin
            self._slow.told |= self._slow.telling

    @override
    def snapshot(self) -> None:
        return None


class Run(NamedTuple):
    cpu: float
    """The share of a CPU that two workers use while the first one is held back."""
    told: set[int]
    """The workers that told meanwhile that they wait."""


def run(unread: Callable[[], float]) -> Run:
    end = time.monotonic() + HELD_BACK_SECONDS + 2
    slow = Slow()
    flow = Dataflow("wait")
    items = tuple((key, Batch[int]()) for key in KEY_GROUPS)
    every = timedelta(seconds=0.1)
    source = TickSource(items, every=every, stopping=lambda: time.monotonic() > end, epoch=EPOCH)
    ticks = op.input("ticks", flow, source)
    wait_together("wait", ticks, Waits(2, unread, slow.telling.add))
    output_with_ticks("out", ticks, ticks, slow)
    cluster_main(flow, [], 0, epoch_interval=EPOCH, worker_count_per_proc=2)
    return Run(slow.used / HELD_BACK_SECONDS, slow.told)


def test_a_worker_that_waits_rests_and_tells_so() -> None:
    rested, spun = run(PROCESS.unread), run(lambda: 0.0)
    assert (rested.told, spun.told) == ({1}, set())
    assert rested.cpu < spun.cpu / 3
