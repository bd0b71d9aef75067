"""The archive branch of the main job: enriched ratings in objects of S3."""

import pyarrow as pa

from records.columns import COLUMNS, Kind
from sinks.s3 import Format
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.formats.parquet import Parquet

_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(), "integer": pa.int64(), "timestamp": pa.timestamp("ms", tz="UTC"),
}  # fmt: skip

SCHEMA = pa.schema([pa.field(column.name, _TYPES[column.kind]) for column in COLUMNS])
"""The columns in Parquet. All may be null there: a timestamp that is no date is."""

FORMATS: dict[str, Format] = {"parquet": Parquet(SCHEMA), "jsonl": JsonLines()}
