"""The lanes that a worker writes to, with ``operators.gather`` before the sink."""

import pytest

from operators.batch import KEY_GROUPS, group_index
from operators.gather import Home
from sinks.s3 import Layout, S3Sink
from tests.sinks.fake_s3 import FakeS3
from tests.sinks.s3_rows import FORMATS, objects_in, row


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_a_worker_has_open_objects_in_one_lane(workers: int) -> None:
    layout = Layout("{lane}-{sequence}.{ext}", prefix="", extension="jsonl", time=lambda one: one.time)
    sink = S3Sink(FakeS3().client, "bucket", layout, FORMATS["jsonl"], lane_of=group_index)
    lanes = {name: sink.build_part("step", name, None) for name in sink.list_parts()}
    homes = [Home() for _ in range(workers)]
    for number in range(500):
        home = homes[number % 16 % workers]
        key = home.key([KEY_GROUPS[number % 16]])
        assert group_index(key) % workers == number % 16 % workers, "it stays in its process"
        lanes[f"{sink.part_fn(key):04d}"].write_batch([[row(number)]])
    assert sum(bool(objects_in(lane.snapshot())) for lane in lanes.values()) == workers
    for lane in lanes.values():
        lane.close()


def test_rows_that_come_one_at_a_time_soon_find_their_lane() -> None:
    home = Home()
    assert [home.key([KEY_GROUPS[group]]) for group in (9, 12, 3, 9, 0, 15)] == [
        KEY_GROUPS[group] for group in (9, 9, 3, 3, 0, 0)
    ]
