"""Stand-ins for what the job's branches write to, and counts of what came there."""

import gzip
import io

import pyarrow.parquet as pq
from typing_extensions import Self

from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.s3 import EmbeddedS3

_BUCKET = "ratings"
_INDEX = "ratings-enriched"
_ROLL_SECONDS = 5
_KEPT_OBJECTS = 50


class Branches:
    """An Elasticsearch and an S3 in this process. All they hold is bounded: what is old goes once it is counted."""

    def __init__(self) -> None:
        self._elasticsearch = EmbeddedElasticsearch()
        self._s3 = EmbeddedS3()
        self._s3.create_bucket(_BUCKET)
        self._objects = self._rows = 0
        self._last_key_counted = dict[str, str]()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a job that writes here."""
        return {
            "ELASTICSEARCH_URL": self._elasticsearch.url,
            "S3_BUCKET": _BUCKET,
            "S3_ROLL_SECONDS": str(_ROLL_SECONDS),
            **self._s3.environment,
        }

    def totals(self) -> dict[str, int]:
        """What has come so far: documents of enriched ratings, objects, and rows in them."""
        self._count_objects()
        return {"documents": self._elasticsearch.made(_INDEX), "objects": self._objects, "rows": self._rows}

    def close(self) -> None:
        """End both; all they hold is gone."""
        self._s3.close()
        self._elasticsearch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count_objects(self) -> None:
        client = self._s3.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET):
            for found in page.get("Contents", []):
                # A lane's keys in a folder come in the order of their numbers: those counted lie before the last one.
                lane, _, name = found["Key"].rpartition("-")
                if name > self._last_key_counted.get(lane, ""):
                    self._last_key_counted[lane] = name
                    self._objects += 1
                    self._rows += _rows(name, client.get_object(Bucket=_BUCKET, Key=found["Key"])["Body"].read())
        if self._s3.keep_newest(_BUCKET, _KEPT_OBJECTS):
            # A folder is an hour of ratings: none is written to once there are so many objects after it.
            self._last_key_counted = dict(list(self._last_key_counted.items())[-_KEPT_OBJECTS:])


def _rows(name: str, body: bytes) -> int:
    if name.endswith(".parquet"):
        return int(pq.read_metadata(io.BytesIO(body)).num_rows)
    return gzip.decompress(body).count(b"\n")
