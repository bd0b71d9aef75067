"""The archive branch of the main job: enriched ratings in objects of S3."""

import pyarrow as pa

from records.enriched import EnrichedRating
from sinks.s3 import Format
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.formats.parquet import Parquet

_TEXT = {"channel", "message", "first_name", "last_name", "full_name", "email", "club_status", "region"}
_TIME = {"rating_ts"}


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXT else pa.timestamp("ms", tz="UTC") if name in _TIME else pa.int64()


SCHEMA = pa.schema([pa.field(name, _type(name)) for name in EnrichedRating.__struct_fields__])
"""The columns of Parquet: those of the enriched JSON, with rating_ts as a timestamp."""

FORMATS: dict[str, Format] = {"parquet": Parquet(SCHEMA), "jsonl": JsonLines()}
