"""Rows of the tests of the S3 sink, and objects so small that a few rows are parts of one."""

import gzip
import io
import json
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sinks.s3 import Format
from sinks.s3 import object as objects
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.formats.parquet import Parquet
from sinks.s3.state import LaneState, Life, ObjectState
from sinks.state import decode
from tests.sinks.fake_s3 import FakeS3

HOUR = 3_600_000
PART_BYTES = 1500


class Row(msgspec.Struct):
    number: int
    time: int
    text: str | None = None


SCHEMA = pa.schema([("number", pa.int64()), ("time", pa.timestamp("ms", tz="UTC")), ("text", pa.string())])
FORMATS: dict[str, Format] = {"jsonl": JsonLines(), "parquet": Parquet(SCHEMA)}


def row(number: int) -> Row:
    """A row that does not compress; one in a hundred is of the hour after."""
    return Row(number, number * 1000 + (number % 100 == 0) * HOUR, Random(number).randbytes(30).hex())


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block has 10 rows, a group a few of these, and a part 1,500 bytes."""
    sizes = {"_LEAST_PART_BYTES": PART_BYTES, "_GROUP_BYTES": 1000, "_BLOCK_ROWS": 10, "_SMALL_BYTES": 100}
    for name, value in sizes.items():
        monkeypatch.setattr(objects, name, value)


def read(key: str, body: bytes) -> list[int]:
    """The numbers of an object's rows; the rows are looked at."""
    rows = [Row(*[one[name] for name in SCHEMA.names]) for one in read_rows(key, body)]
    assert rows == [row(one.number) for one in rows]
    return [one.number for one in rows]


def read_rows(key: str, body: bytes) -> list[dict[str, Any]]:
    """The rows of an object."""
    if ".parquet" not in key:
        return [json.loads(line) for line in gzip.decompress(body).splitlines()]
    table = pq.read_table(io.BytesIO(body))
    assert all(table.schema.field(column.name).equals(column) for column in SCHEMA)
    return [{**one, "time": round(one["time"].timestamp() * 1000)} for one in table.to_pylist()]


def numbers(s3: FakeS3) -> list[int]:
    """Of all rows in all objects."""
    return sorted(number for key, body in list(s3.objects.items()) for number in read(key, body))


def objects_in(state: bytes, *lives: Life) -> list[ObjectState]:
    """The objects of a lane's state, or those in some states of their life."""
    return [one for one in decode(LaneState, state).objects if not lives or one.life in lives]
