"""The project's sink as the main job runs it, in the format named: its lanes, and a snapshot each second."""

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from operator import attrgetter
from statistics import median
from typing import Any

from benchmarks.harness.work import timed
from benchmarks.s3.work import Work
from dataflows.archive import FORMATS
from dataflows.wiring.s3 import client
from operators.batch import KEY_GROUPS, Batch, group_index
from records.enriched import EnrichedRating
from settings import Archive
from sinks.s3 import Layout, S3Sink
from sinks.s3.state import LaneState, Life
from sinks.state import decode

POLL = 1_000
SNAPSHOT_SECONDS = 1.0


class Clock:
    """Stands still until it is moved: then all objects are old enough."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Snapshots:
    """Takes snapshots of all lanes."""

    def __init__(self, lanes: list[Any]) -> None:
        self._lanes = lanes
        self.seconds: list[float] = []
        self.largest = 0
        """Bytes of the largest, of one lane."""

    def take(self) -> bool:
        """Take one of every lane; whether an object takes no more rows and is not visible yet."""
        began = time.perf_counter()
        states = [lane.snapshot() for lane in self._lanes]
        sizes = [len(state) for state in states]
        self.seconds.append(time.perf_counter() - began)
        self.largest = max(self.largest, *sizes)
        objects = [one for state in states for one in decode(LaneState, state).objects]
        return any(one.life is not Life.OPEN for one in objects)


def polls(work: Work) -> Iterator[list[Sequence[Any]]]:
    """The ratings as they come out of the join: of each poll, the batches of the key groups."""
    ratings = work.ratings()
    while poll := list(islice(ratings, POLL)):
        groups = [Batch[EnrichedRating]() for _ in KEY_GROUPS]
        for rating in poll:
            groups[rating["user_id"] % len(groups)].append(EnrichedRating(**rating))
        yield [group for group in groups if group]


def sink(bucket: str, form: str, clock: Clock) -> S3Sink:
    """The sink by the default settings."""
    settings = Archive(bucket=bucket)
    layout = Layout(
        settings.key, prefix=settings.prefix, extension=FORMATS[form].extension, time=attrgetter("rating_ts")
    )
    return S3Sink(
        lambda: client(settings),
        bucket,
        layout,
        FORMATS[form],
        concurrency=settings.concurrency,
        max_buffer_bytes=settings.max_buffer_bytes,
        lane_of=group_index,
        clock=clock,
    )


def write(output: S3Sink, clock: Clock, handed_over: list[list[Sequence[Any]]]) -> dict[str, float]:
    """Write all until it is visible; return the size and the duration of the snapshots."""
    lanes = [output.build_part("archive", part, None) for part in output.list_parts()]
    snapshots = Snapshots(lanes)
    due = time.monotonic() + SNAPSHOT_SECONDS
    for poll in handed_over:
        lanes[0].write_batch(poll)  # a worker has one lane that takes records
        if time.monotonic() > due:
            snapshots.take()
            due = time.monotonic() + SNAPSHOT_SECONDS
    snapshots.take()
    while_writing = median(snapshots.seconds)
    clock.now += output.rolling.seconds
    while snapshots.take():
        time.sleep(0.01)
    for lane in lanes:
        lane.close()
    return {"snapshot_bytes": snapshots.largest, "snapshot_ms": while_writing * 1e3}


def main() -> None:
    work = Work.from_command_line()
    clock = Clock()
    sinks = {bucket: sink(bucket, sys.argv[2], clock) for bucket in (work.practice, work.bucket)}
    handed_over = list(polls(work))
    practice, real = (partial(write, sinks[bucket], clock, handed_over) for bucket in (work.practice, work.bucket))
    timed(real, practice)


if __name__ == "__main__":
    main()
