"""The archive branch of the main job: enriched ratings in objects of S3."""

import logging
import os
from operator import attrgetter
from typing import Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dataflows import runtime
from operators.batch import group_index
from records.enriched import EnrichedRating
from settings import Archive
from sinks.s3 import Format, Layout, Rolling, S3Sink
from sinks.s3.jsonl import JsonLines
from sinks.s3.parquet import Parquet
from sources.kafka_topics import StartupError

log = logging.getLogger(__name__)

_TEXT = {"channel", "message", "first_name", "last_name", "full_name", "email", "club_status", "region"}
_TIME = {"rating_ts"}


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXT else pa.timestamp("ms", tz="UTC") if name in _TIME else pa.int64()


SCHEMA = pa.schema([pa.field(name, _type(name)) for name in EnrichedRating.__struct_fields__])
"""The columns of Parquet: those of the enriched JSON, with rating_ts as a timestamp."""

FORMATS: dict[str, Format] = {"parquet": Parquet(SCHEMA), "jsonl": JsonLines()}


def connect(settings: Archive) -> S3Sink | None:
    """The branch's sink; None if the branch is off.

    Raises:
        StartupError: the bucket is not there or not ours, a setting is not usable, or there is no recovery store.
    """
    if settings.bucket is None:
        log.info("S3_BUCKET is not set: nothing is written to S3")
        return None
    if not runtime.has_recovery_store():
        raise StartupError("S3_BUCKET needs a recovery store, or a crash would lose open objects: -r DIR -s 1 -b 0")
    form = FORMATS[settings.format]
    try:
        layout = Layout(settings.key, prefix=settings.prefix, extension=form.extension, time=attrgetter("rating_ts"))
    except ValueError as error:
        raise StartupError(f"S3_KEY: {error}") from None
    if strange := [name for name in layout.fields if name not in EnrichedRating.__struct_fields__]:
        raise StartupError(f"S3_KEY is {settings.key!r}, but an enriched rating has no {' and no '.join(strange)}")
    _check(settings)
    # Arrow's own pool gives back to the kernel what the C library keeps, as ``runtime.set_up`` has told it.
    pa.set_memory_pool(pa.system_memory_pool())
    return S3Sink(
        lambda: client(settings),
        settings.bucket,
        layout,
        form,
        Rolling(settings.roll_bytes, settings.roll_rows, settings.roll_seconds, settings.max_open_objects),
        extra=_extra(settings),
        concurrency=settings.concurrency,
        max_buffer_bytes=settings.max_buffer_bytes,
        lanes=settings.lanes,
        lane_of=group_index,
        stopping=runtime.stopping,
    )


def client(settings: Archive) -> Any:
    """Make a client of S3; credentials and endpoint by boto3's own chain. It retries nothing: the sink does."""
    return boto3.client(
        "s3",
        region_name=settings.region or os.environ.get("AWS_REGION"),  # boto3 knows only AWS_DEFAULT_REGION
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=settings.concurrency + 1,
            s3={"addressing_style": settings.addressing},
            # The newer checksums are refused by Google Cloud Storage and others that speak S3.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _check(settings: Archive) -> None:
    bucket = settings.bucket
    try:
        client(settings).head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response["ResponseMetadata"].get("HTTPStatusCode")
        region = error.response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
        if status == 404:
            raise StartupError(f"S3_BUCKET is {bucket!r}, but there is no such bucket") from None
        if status in {301, 400} and region:
            raise StartupError(f"S3_BUCKET {bucket!r} is in region {region}: set S3_REGION") from None
        if status in {301, 400, 401, 403}:
            raise StartupError(f"S3 denies us the bucket {bucket!r}: {error}") from None
        log.warning("S3: %s", error)
    except BotoCoreError as error:
        if type(error).__name__ in {
            "NoCredentialsError",
            "PartialCredentialsError",
            "NoRegionError",
            "ProfileNotFound",
        }:
            raise StartupError(f"S3: {error}") from None
        log.warning("S3 is not there yet: %s", error)


def _extra(settings: Archive) -> dict[str, str]:
    return {
        name: value
        for name, value in {
            "ServerSideEncryption": settings.encryption,
            "SSEKMSKeyId": settings.kms_key,
            "StorageClass": settings.storage_class,
            "Tagging": settings.tags,
        }.items()
        if value
    }
