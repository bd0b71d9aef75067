"""The archive branch of the main job: enriched ratings in objects of S3."""

import pyarrow as pa

from operators.each import Batches
from operators.gather import gather
from records.columns import COLUMNS, Kind
from records.enriched import EnrichedRating
from sinks.s3 import Format
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.formats.parquet import Parquet

_TYPES: dict[Kind, pa.DataType] = {
    "text": pa.string(), "integer": pa.int64(), "timestamp": pa.timestamp("ms", tz="UTC"),
}  # fmt: skip

SCHEMA = pa.schema([pa.field(column.name, _TYPES[column.kind]) for column in COLUMNS])
"""The columns in Parquet. All may be null there: a timestamp that is no date is."""

FORMATS: dict[str, Format] = {"parquet": Parquet(SCHEMA), "jsonl": JsonLines()}


def rows(enriched: Batches[EnrichedRating]) -> Batches[EnrichedRating]:
    """The ratings for S3. Those of a worker go to one lane: each lane has open objects of its own."""
    return gather("archive_lane", enriched)
