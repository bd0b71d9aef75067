"""Times that are no dates: where their rows go, and how Parquet has them."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sinks.s3 import Layout
from sinks.s3.formats.parquet import Parquet
from sinks.s3.layout import DEFAULT
from tests.sinks.s3_rows import Row

FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999

TIMES: list[tuple[int, str, str]] = [
    (1528800546808, "2018-06-12", "10"),
    (0, "1970-01-01", "00"),
    (-2, "1969-12-31", "23"),
    (-3_600_000, "1969-12-31", "23"),
    (-3_600_001, "1969-12-31", "22"),
    (-2_208_988_800_000, "1900-01-01", "00"),
    (FIRST, "0001-01-01", "00"),
    (LAST, "9999-12-31", "23"),
    (4_102_444_800_000, "2100-01-01", "00"),
    (-1, "unknown", "unknown"),
    (FIRST - 1, "unknown", "unknown"),
    (LAST + 1, "unknown", "unknown"),
    (1795737862957000, "unknown", "unknown"),
    (1795737862957000000, "unknown", "unknown"),
    (-1795737862957000, "unknown", "unknown"),
    (2**63 - 1, "unknown", "unknown"),
    (-(2**63), "unknown", "unknown"),
]


def layout(template: str = DEFAULT) -> Layout:
    return Layout(template, prefix="p", extension="x", time=lambda row: row.time)


@pytest.mark.parametrize(("time", "date", "hour"), TIMES)
def test_the_key_of_a_time(time: int, date: str, hour: str) -> None:
    (place,) = layout().split([Row(1, time)])
    assert layout().key(place, "0000", "s") == f"p/dt={date}/hr={hour}/0000-s.x"


def test_times_side_by_side_go_to_the_places_of_each_alone() -> None:
    rows = [Row(number, time) for number, (time, _, _) in enumerate(TIMES)]
    alone = {row.number: next(iter(layout().split([row]))) for row in rows}
    together = {row.number: place for place, members in layout().split(rows).items() for row in members}
    assert together == alone


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{year}/{month}/{day}/{hour}/{lane}{sequence}", "unknown/unknown/unknown/unknown/0000s"),
        ("{year}-{month}-{day}T{hour}/{lane}{sequence}", "unknown/0000s"),
        ("year={year}/month={month}/x-{day}-y/{lane}{sequence}", "year=unknown/month=unknown/x-unknown-y/0000s"),
        ("{year}-{lane}-{hour}/{sequence}", "unknown-0000-unknown/s"),
        ("{number}/{year}{month}/{lane}{sequence}", "1/unknown/0000s"),
        ("{{{year}}}/{lane}{sequence}", "{unknown}/0000s"),
        ("{lane}{sequence}", "0000s"),
    ],
)
def test_other_templates(template: str, key: str) -> None:
    (place,) = layout(template).split([Row(1, -1)])
    assert layout(template).key(place, "0000", "s") == key


def test_a_key_that_is_too_long_is_refused() -> None:
    place = next(iter(layout("{lane}{sequence}" + "{text}" * 6).split([Row(1, 0, "x" * 300)])))
    with pytest.raises(ValueError, match="its key has 1,205 bytes, and S3 takes 1,024"):
        layout("{lane}{sequence}" + "{text}" * 6).key(place, "0000", "s")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_has_null_where_readers_have_no_date(unit: Any) -> None:
    scale = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    form = Parquet(pa.schema([("number", pa.int64()), ("time", pa.timestamp(unit, "UTC")), ("text", pa.string())]))
    bounds = (FIRST // 1000 * scale, (LAST // 1000 + 1) * scale - 1)
    times = [0, -2, -1, 2**63 - 1, -(2**63), *bounds, bounds[0] - 1, bounds[1] + 1]
    times = [time for time in times if -(2**63) <= time < 2**63]
    data, memo = form.assemble([form.block([Row(number, time) for number, time in enumerate(times)])], 0)
    column = pq.read_table(io.BytesIO(data + form.close([memo])))["time"].cast(pa.int64()).to_pylist()
    assert column == [time if bounds[0] <= time <= bounds[1] and time != -1 else None for time in times]


def test_a_column_of_nulls_has_no_bounds() -> None:
    form = Parquet(pa.schema([("number", pa.int64()), ("time", pa.timestamp("ms")), ("text", pa.string())]))
    row: Any = Row(1, None)  # type: ignore[arg-type]
    data, memo = form.assemble([form.block([row])], 0)
    assert pq.read_table(io.BytesIO(data + form.close([memo])))["time"].to_pylist() == [None]
