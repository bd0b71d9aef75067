"""What was written, into a bucket or a file, and whether it is right."""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from benchmarks.harness.verify import WrongOutput
from dataflows.archive import SCHEMA

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SAMPLE = 1_000
COLUMNS = pa.schema([field.with_type(pa.int64()) if pa.types.is_timestamp(field.type) else field for field in SCHEMA])
"""Those of an enriched rating, its timestamp as the milliseconds that it is in JSON."""


def keys(client: "S3Client", bucket: str) -> list[str]:
    """The keys of all objects."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def size(client: "S3Client", bucket: str) -> int:
    """Bytes of all objects."""
    return sum(client.head_object(Bucket=bucket, Key=key)["ContentLength"] for key in keys(client, bucket))


def of_bucket(client: "S3Client", bucket: str) -> Iterator[pa.Table]:
    """The rows of each object."""
    for key in keys(client, bucket):
        yield read(key, client.get_object(Bucket=bucket, Key=key)["Body"].read())


def of_file(file: Path) -> Iterator[pa.Table]:
    """The rows of a file."""
    yield read(file.name, file.read_bytes())


def read(name: str, body: bytes) -> pa.Table:
    """The rows of an object or a file in the format that its name ends with, as COLUMNS."""
    if name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(body))
    else:
        table = pa.json.read_json(io.BytesIO(gzip.decompress(body) if name.endswith(".gz") else body))
        if "_value" in table.column_names:  # Quix wraps each record
            table = pa.Table.from_struct_array(table["_value"])
    return table.select(COLUMNS.names).cast(COLUMNS)


def verify(tables: Iterator[pa.Table], rows: int, expected: Callable[[int], dict[str, Any]]) -> None:
    """Compare which rows there are, and a sample of them in full.

    Args:
        tables: what was written, in any order.
        rows: how many there must be, whose rating ids are numbers from 0.
        expected: the enriched rating of a number.

    Raises:
        WrongOutput: with the first difference that was found.
    """
    found = pa.concat_tables([COLUMNS.empty_table(), *tables]).sort_by("rating_id")
    if found["rating_id"].to_pylist() != list(range(rows)):
        raise WrongOutput(f"{found.num_rows} rows were written, not each of {rows} once")
    numbers = Random(rows).sample(range(rows), min(rows, SAMPLE))
    for number, row in zip(numbers, found.take(numbers).to_pylist(), strict=True):
        if row != expected(number):
            raise WrongOutput(f"{row}\nexpected: {expected(number)}")


def remove(client: "S3Client", bucket: str) -> None:
    """Delete a bucket and all that is in it."""
    for key in keys(client, bucket):
        client.delete_object(Bucket=bucket, Key=key)
    client.delete_bucket(Bucket=bucket)
