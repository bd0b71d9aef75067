"""Records that no object can hold keep no other from its object, and each is rejected, or written, once."""

import gzip
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflows.archive import FORMATS
from records.enriched import EnrichedRating
from sinks.s3 import Layout, Rejection, Rolling, S3Sink
from sinks.s3.formats.format import ColumnsError
from sinks.s3.poison import apart
from sinks.s3.sink import UnwritableError
from tests.sinks.fake_s3 import FakeS3
from tests.sinks.test_s3 import Clock, settle

ODD: list[Any] = [
    "\ud800", "a\udfffb", "\x00", "", "x" * 3000, "é" * 2000, 2**63, -(2**63) - 1, 2**64, 10**30, 2**63 - 1, -(2**63),
    float("nan"), float("inf"), 1.5, "seven", b"\xff", [1, 2], {"a": {1, 2}}, object(), None, True, -1, {"\ud800": 1},
]  # fmt: skip
WHEN = 1528800546808


def rating(number: int, **odd: Any) -> EnrichedRating:
    good = EnrichedRating(
        number, 7, 4, 2777, WHEN, "web", "m", WHEN, "Rica", None, "Rica", None, "gold", None, 0, number
    )
    for name, value in odd.items():
        setattr(good, name, value)
    return good


FIELDS = [name for name in EnrichedRating.__struct_fields__ if name not in {"source_partition", "source_offset"}]
hostile = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(ODD), max_size=2)
batches = st.lists(st.lists(st.one_of(st.just({}), hostile), max_size=12), min_size=1, max_size=6)


def sink(s3: FakeS3, form: str, rejected: list[Rejection], template: str) -> S3Sink:
    layout = Layout(template, prefix="p", extension=form, time=lambda one: one.rating_ts)
    return S3Sink(
        s3.client, "bucket", layout, FORMATS[form], Rolling(open_objects=1000), reject=rejected.extend, clock=Clock()
    )


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize(
    "template", ["dt={year}-{month}-{day}/{lane}-{sequence}", "c={club_status}/m={message}/{lane}-{sequence}"]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches)
def test_hostile_records_between_good_ones(form: str, template: str, odd_batches: list[list[dict[str, Any]]]) -> None:
    s3, rejected = FakeS3(), list[Rejection]()
    told = list[tuple[int, Sequence[tuple[str, str]]]]()
    output = replace(sink(s3, form, rejected, template), limit=lambda *what: told.append(what))
    lane: Any = output.build_part("step", "0000", None)
    number, good = 0, set[int]()
    for at, batch in enumerate(odd_batches):
        records = [rating(number + index, **odd) for index, odd in enumerate(batch)]
        good |= {number + index for index, odd in enumerate(batch) if not odd}
        number += len(batch)
        lane.write_batch([records])
        if at % 2:  # and a new run goes on with what is in the recovery store
            state = lane.snapshot()
            lane.close()
            lane = output.build_part("step", "0000", state)
    output.clock.now += 300  # type: ignore[attr-defined]
    settle(lane)
    lane.close()
    written = [offset for body in s3.objects.values() for offset in offsets(form, body)]
    thrown_out = [record.source_offset for record, _, _ in rejected]
    assert sorted(written + thrown_out) == list(range(number)), "each once"
    assert good <= set(written)
    assert sum(taken for taken, _ in told) == len(written)
    assert [why for _, errors in told for why in errors] == [(error, reason) for _, error, reason in rejected]
    assert all(error and reason and "\n" not in reason for _, error, reason in rejected)
    for reason in [reason for _, _, reason in rejected]:
        reason.encode(errors="backslashreplace")


def offsets(form: str, body: bytes) -> list[int]:
    if form == "parquet":
        return [*pq.read_table(io.BytesIO(body))["source_offset"].to_pylist()]
    return [msgspec.json.decode(line)["source_offset"] for line in gzip.decompress(body).splitlines()]


@pytest.mark.parametrize("form", list(FORMATS))
def test_an_object_of_nothing_but_rejected_records_is_none(form: str) -> None:
    s3, rejected = FakeS3(), list[Rejection]()
    output = sink(s3, form, rejected, "{lane}-{sequence}")
    lane = output.build_part("step", "0000", None)
    lane.write_batch([[rating(1, message="\ud800"), rating(2, channel="\ud800")]])
    output.clock.now += 300  # type: ignore[attr-defined]
    settle(lane)
    lane.close()
    assert s3.calls == []
    assert sorted(record.rating_id for record, _, _ in rejected) == [1, 2]


def test_columns_that_are_wrong_stop_the_flow(caplog: pytest.LogCaptureFixture) -> None:
    class Other(msgspec.Struct):
        rating_ts: int

    rejected = list[Rejection]()
    lane = sink(FakeS3(), "parquet", rejected, "{lane}-{sequence}").build_part("step", "0000", None)
    lane.write_batch([[Other(WHEN)]])
    with pytest.raises(ColumnsError):
        lane.snapshot()
    lane.close()
    assert rejected == []
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "the cause is in the log"


@pytest.mark.parametrize("error", [MemoryError, OSError])
def test_what_is_no_records_fault_is_raised(error: type[Exception]) -> None:
    def make(records: Any) -> None:
        raise error("no memory, no disk")

    with pytest.raises(error):
        apart(make, [1, 2, 3])


def test_halves_that_can_be_made_are_made() -> None:
    def make(records: Any) -> int:
        if len(records) > 2:
            raise ValueError("too many at once")
        return sum(records)

    assert apart(make, [1, 2, 3, 4, 5]) == ([([1, 2], 3), ([3], 3), ([4, 5], 9)], [])


def test_without_anybody_who_takes_them_the_flow_stops(caplog: pytest.LogCaptureFixture) -> None:
    output = replace(sink(FakeS3(), "jsonl", [], "{lane}-{sequence}"), reject=S3Sink.reject)
    lane = output.build_part("step", "0000", None)
    lane.write_batch([[rating(1, message="\ud800")]])
    with pytest.raises(UnwritableError, match="1 records cannot be written, the first for UnicodeEncodeError"):
        lane.snapshot()
    lane.close()
    assert "UnicodeEncodeError" in caplog.text
