"""The lanes of the S3 sink in a model of Bytewax's rules: epochs, snapshots, kills, other numbers of workers."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from operators.batch import KEY_GROUPS, Batch, group_index
from operators.gather import Home
from sinks import background
from sinks.s3 import Layout, Rolling, S3Sink
from tests.sinks.fake_s3 import FakeS3
from tests.sinks.s3_rows import FORMATS, numbers, objects_in, row, small
from tests.sinks.test_s3 import Clock


class Killed(Exception):
    pass


class Connection:
    """A run's connection to S3: after the run's end nothing comes through."""

    def __init__(self, s3: FakeS3) -> None:
        self._s3 = s3
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise ConnectionClosedError(endpoint_url="s3")
        return getattr(self._s3, name)


class Run:
    """Some workers, each a process with a sink of its own, from the states of a recovery store."""

    def __init__(self, sink: S3Sink, s3: FakeS3, workers: int, store: dict[str, bytes]) -> None:
        self._connection = Connection(s3)
        self._sinks = [
            replace(sink, client=lambda: self._connection, _threads=type(sink._threads)()) for _ in range(workers)
        ]
        self._homes = [Home() for _ in range(workers)]
        self._store = store
        self._lanes: dict[str, Any] = {}
        parts = sink.list_parts()
        assert store.keys() <= set(parts), "Bytewax refuses a store with partitions that are not listed"
        for name, state in store.items():
            self._build(name, state)
        self._parts = parts

    def _build(self, name: str, state: Any) -> Any:
        sink = self._sinks[int(name) % len(self._sinks)]
        self._lanes[name] = sink.build_part("archive", name, state)
        return self._lanes[name]

    def epoch(self, batches: list[Batch[Any]], ticks: list[int], kill: Iterator[bool]) -> None:
        """Each key group's batch comes out of the join of its worker; ticks come with the key of their group."""
        workers, awoken = len(self._sinks), set[str]()
        items = [
            (self._homes[group % workers].key([KEY_GROUPS[group]]), batch)
            for group, batch in enumerate(batches)
            if batch
        ]
        assert all(group_index(key) % workers == batch[0].number % 16 % workers for key, batch in items), "it stays"
        for key, batch in items + [(KEY_GROUPS[group], Batch[Any]()) for group in ticks]:
            if next(kill):
                raise Killed
            name = self._parts[self._sinks[0].part_fn(key) % len(self._parts)]
            lane = self._lanes.get(name) or self._build(name, None)
            lane.write_batch([batch])
            awoken.add(name)
        states = {}
        for name in sorted(awoken):  # the others give no snapshot
            if next(kill):
                raise Killed
            states[name] = self._lanes[name].snapshot()
        if next(kill):
            raise Killed
        self._store.update(states)

    def open_lanes(self) -> int:
        return sum(bool(objects_in(lane.snapshot())) for lane in self._lanes.values())

    def end(self) -> None:
        self._connection.cut = True
        for lane in self._lanes.values():
            lane.close()


def batches(chance: Random, first: int, count: int) -> list[Batch[Any]]:
    """Rows by key group. Some groups rest."""
    found = [Batch[Any]() for _ in KEY_GROUPS]
    for number in range(first, first + count):
        found[number % 16].append(row(number))
    return found


def dying(chance: Random, within: int) -> Iterator[bool]:
    """Whether to die, at each point at which a run may: once."""
    left = chance.randrange(within)
    while True:
        yield left == 0
        left -= 1


def alive() -> Iterator[bool]:
    while True:
        yield False


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize("seed", range(25))
def test_each_row_is_in_one_object_through_kills_and_other_numbers_of_workers(
    seed: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    monkeypatch.setattr(background, "_LONGEST_REST", 0.01)
    chance, s3, clock = Random(seed), FakeS3(equal_parts=True), Clock()
    layout = Layout("{prefix}/hr={hour}/{lane}-{sequence}.{ext}", prefix="", extension=form, time=lambda one: one.time)
    rolling = Rolling(bytes=6_000, rows=200, seconds=20, open_objects=2)
    sink = S3Sink(s3.client, "bucket", layout, FORMATS[form], rolling, lane_of=group_index, clock=clock)
    store: dict[str, bytes] = {}
    durable = kills = 0
    while durable < 3_000:
        run = Run(sink, s3, chance.randrange(1, 5), store)
        kill = dying(chance, 300)
        try:
            while durable < 3_000:
                count = chance.choice([0, 1, 30, 200])
                ticks = chance.sample(range(16), chance.choice([0, 3, 16]))
                run.epoch(batches(chance, durable, count), ticks, kill)
                durable += count
                clock.now += chance.choice([0.0, 1.0, 9.0])
        except Killed:
            kills += 1
        run.end()
    run = Run(sink, s3, chance.randrange(1, 5), store)
    for _ in range(1_000):
        clock.now += 20
        run.epoch([], list(range(16)), alive())
        if not any(map(objects_in, store.values())):
            break
    run.end()
    assert numbers(s3) == list(range(durable))
    assert s3.uploads == {}
    assert kills >= 2
    print(f"{kills} kills, {len(s3.objects)} objects, {s3.calls.count('upload_part')} parts")


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_a_worker_has_open_objects_in_one_lane(workers: int) -> None:
    s3 = FakeS3()
    layout = Layout("{lane}-{sequence}.{ext}", prefix="", extension="jsonl", time=lambda one: one.time)
    sink = S3Sink(s3.client, "bucket", layout, FORMATS["jsonl"], lane_of=group_index)
    run = Run(sink, s3, workers, {})
    for epoch in range(5):
        run.epoch(batches(Random(0), epoch * 100, 100), list(range(16)), alive())
    assert run.open_lanes() == workers
    run.end()


def test_rows_that_come_one_at_a_time_soon_find_their_lane() -> None:
    home = Home()
    assert [home.key([KEY_GROUPS[group]]) for group in (9, 12, 3, 9, 0, 15)] == [
        KEY_GROUPS[group] for group in (9, 9, 3, 3, 0, 0)
    ]
