"""A recovery store is resumed by a sink with other settings: open objects are finished as they were begun."""

from dataclasses import replace
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from msgspec.structs import replace as replace_field

from sinks.s3 import Layout, Refused, Rolling, S3Sink
from sinks.s3.formats.parquet import Parquet
from sinks.s3.object import part_bytes
from sinks.s3.state import LaneState
from sinks.state import StateError, decode, encode
from tests.sinks.fake_s3 import FakeS3, client_error
from tests.sinks.s3_rows import FORMATS, PART_BYTES, SCHEMA, numbers, read, row, small
from tests.sinks.test_s3 import Clock, rows, settle

TEMPLATE = "{prefix}/hr={hour}/{lane}-{sequence}.{ext}"


class Wide(msgspec.Struct):
    """A row with a new column in the middle."""

    number: int
    new: str | None
    time: int
    text: str | None = None


WIDE = Parquet(pa.schema([SCHEMA.field(0), ("new", pa.string()), SCHEMA.field(1), SCHEMA.field(2)]))


def wide(number: int) -> Wide:
    narrow = row(number)
    return Wide(narrow.number, "new", narrow.time, narrow.text)


def make(s3: FakeS3, form: Any, *, template: str = TEMPLATE, prefix: str = "pre", bucket: str = "bucket") -> S3Sink:
    layout = Layout(template, prefix=prefix, extension=form.extension, time=lambda one: one.time)
    return S3Sink(s3.client, bucket, layout, form, clock=Clock())


JSONL, PARQUET = FORMATS["jsonl"], FORMATS["parquet"]

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Parquet, then JSON lines": ({"form": PARQUET}, {"form": JSONL}),
    "JSON lines, then Parquet": ({"form": JSONL}, {"form": PARQUET}),
    "a new column": ({"form": PARQUET}, {"form": WIDE}),
    "a new column in JSON lines": ({"form": JSONL}, {"form": JSONL, "wide": True}),
    "another compression": ({"form": PARQUET}, {"form": Parquet(SCHEMA, "snappy")}),
    "another prefix": ({"form": JSONL}, {"form": JSONL, "prefix": "other"}),
    "another field in the key": (
        {"form": JSONL, "template": "n={number}/{lane}-{sequence}.{ext}"},
        {"form": JSONL, "template": "t={time}/{lane}-{sequence}.{ext}"},
    ),
    "another bucket": ({"form": PARQUET}, {"form": PARQUET, "bucket": "new-bucket"}),
    "another bucket and format": ({"form": JSONL}, {"form": PARQUET, "bucket": "new-bucket"}),
    "the same settings": ({"form": PARQUET}, {"form": PARQUET}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
@pytest.mark.parametrize("sealed", [False, True])
def test_open_objects_are_finished_as_they_were_begun(
    change: tuple[dict[str, Any], dict[str, Any]], sealed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    before, after = ({**options} for options in change)
    new_row = wide if after.pop("wide", False) or after["form"] is WIDE else row
    s3 = FakeS3(equal_parts=True)
    old = replace(make(s3, **before), rolling=Rolling(rows=60 if sealed else 1000))
    lane = old.build_part("step", "0000", None)
    for at in range(0, 100, 7):
        lane.write_batch([[row(number) for number in range(at + 1, min(at + 8, 101))]])
        if at != 98:  # the last part of it is new to the last snapshot
            state = lane.snapshot()
    state = lane.snapshot()
    lane.close()
    new = make(s3, **after)
    lane = new.build_part("step", "0000", state)
    lane.write_batch([[new_row(number) for number in range(101, 151)]])
    new.clock.now += 300  # type: ignore[attr-defined]
    settle(lane)
    lane.close()
    assert numbers(s3) == list(range(1, 151))
    assert s3.uploads == {}
    ends = {"parquet": ".parquet", "jsonl": ".jsonl.gz"}
    for key, body in s3.objects.items():
        made = {"old": before, "new": after}["old" if max(read(key, body)) <= 100 else "new"]
        if before == after:
            continue
        assert (max(read(key, body)) <= 100) == (min(read(key, body)) <= 100), "no object has rows of both"
        assert key.startswith(f"{made.get('bucket', 'bucket')}/")
        assert key.endswith(ends[made["form"].spec[0]])
        assert "prefix" not in made or f"/{made['prefix']}/" in key
        assert "template" not in made or f"/{made['template'][:2]}" in key


def test_the_size_of_parts_is_that_of_the_object_when_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    s3 = FakeS3(equal_parts=True)
    lane = make(s3, JSONL).build_part("step", "0000", None)
    for at in range(0, 200, 10):
        lane.write_batch([[row(number) for number in range(at, at + 10)]])
        state = lane.snapshot()
    lane.close()
    monkeypatch.setattr("sinks.s3.object._LEAST_PART_BYTES", 2 * PART_BYTES)
    sink = replace(make(s3, JSONL), rolling=Rolling(bytes=1 << 20, seconds=300))
    lane = sink.build_part("step", "0000", state)
    for at in range(200, 400, 10):
        lane.write_batch([[row(number) for number in range(at, at + 10)]])
    sink.clock.now += 300  # type: ignore[attr-defined]
    settle(lane)
    lane.close()
    assert numbers(s3) == list(range(400))


@pytest.mark.parametrize(
    ("object_bytes", "part"),
    [
        (1, 5 << 20),
        (64 << 20, 5 << 20),
        (9_000 * (5 << 20), 5 << 20),
        (9_000 * (5 << 20) + 1, 6 << 20),
        (1 << 40, 117 << 20),
    ],
)
def test_no_object_needs_more_than_10_000_parts(object_bytes: int, part: int) -> None:
    assert part_bytes(object_bytes) == part
    assert object_bytes / part <= 9_000


def test_a_bucket_of_before_that_refuses_is_named_with_what_to_do() -> None:
    s3 = FakeS3(fault=lambda _, arguments: refuse(arguments))
    lane = replace(make(s3, JSONL, bucket="old-bucket"), client=FakeS3().client).build_part("step", "0000", None)
    lane.write_batch([rows(range(10))])
    state = lane.snapshot()
    lane.close()
    lane = make(s3, JSONL).build_part("step", "0000", state)
    with pytest.raises(Refused, match=r"AccessDenied.*begun with S3_BUCKET=old-bucket.*make that bucket writable"):
        settle(lane)
    lane.close()


def refuse(arguments: dict[str, Any]) -> None:
    if arguments["Bucket"] == "old-bucket":
        raise client_error("AccessDenied", 403)


def test_an_unknown_format_is_refused_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    sink = make(FakeS3(), JSONL)
    lane = sink.build_part("step", "0000", None)
    lane.write_batch([rows(range(3))])
    state = decode(LaneState, lane.snapshot())
    lane.close()
    (one,) = state.objects
    orc = replace_field(state, objects=(replace_field(one, format=("orc",)),))
    with pytest.raises(StateError, match="'orc'"):
        sink.build_part("step", "0000", encode(orc))
    assert "'orc', which this version does not know" in caplog.text
