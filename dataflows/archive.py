"""The archive branch of the main job: enriched ratings in objects of S3."""

import logging
import os
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import ClientError

from dataflows import letters, runtime
from operators.batch import group_index
from operators.each import Batches
from operators.gather import gather
from records.dead_letter import Refused
from records.enriched import EnrichedRating
from settings import Archive
from sinks.s3 import Format, Layout, Rejection, Rolling, S3Sink
from sinks.s3.errors import Verdict, classify, code, describe, status
from sinks.s3.formats.jsonl import JsonLines
from sinks.s3.formats.parquet import Parquet
from sources.kafka_topics import StartupError

log = logging.getLogger(__name__)

_NO_BUCKET, _ELSEWHERE = 404, {301, 400}
"""HTTP statuses of a bucket that is not there, and of one in another region."""

_TEXT = {"channel", "message", "first_name", "last_name", "full_name", "email", "club_status", "region"}
_TIME = {"rating_ts"}


def _type(name: str) -> pa.DataType:
    return pa.string() if name in _TEXT else pa.timestamp("ms", tz="UTC") if name in _TIME else pa.int64()


SCHEMA = pa.schema([pa.field(name, _type(name)) for name in EnrichedRating.__struct_fields__])
"""The columns of Parquet: those of the enriched JSON, with rating_ts as a timestamp."""

FORMATS: dict[str, Format] = {"parquet": Parquet(SCHEMA), "jsonl": JsonLines()}


def rows(enriched: Batches[EnrichedRating]) -> Batches[EnrichedRating]:
    """The ratings for S3. Those of a worker go to one lane: each lane has open objects of its own."""
    return gather("archive_lane", enriched)


def connect(settings: Archive, bury: Callable[[list[Refused]], None]) -> S3Sink | None:
    """The branch's sink; None if the branch is off.

    Args:
        settings: the branch's.
        bury: writes dead letters of ratings that no object can hold, and returns when they are safe.

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
        reject=partial(_reject, bury, settings.bucket),
        extra=_extra(settings),
        concurrency=settings.concurrency,
        max_buffer_bytes=settings.max_buffer_bytes,
        lane_of=group_index,
        stopping=runtime.stopping,
    )


def _reject(bury: Callable[[list[Refused]], None], bucket: str, rejected: list[Rejection]) -> None:
    """Write ratings that no object can hold as dead letters."""
    bury(letters.refused_records("archive", bucket, rejected))


def client(settings: Archive) -> Any:
    """Make a client of S3; credentials and endpoint by boto3's own chain. It retries nothing: the sink does.

    Its session is its own: boto3's common one would keep credentials that have expired.
    """
    return boto3.Session().client(
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
    """See that there is such a bucket, as far as our rights let us see.

    Raises:
        StartupError: there is none, it is in another region, or S3 does not know us.
    """
    bucket, s3 = settings.bucket, client(settings)
    why: Exception | None = None
    try:
        s3.head_bucket(Bucket=bucket)
        return
    except Exception as error:
        why = error
    if isinstance(why, ClientError):
        region = why.response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
        if status(why) == _NO_BUCKET:
            raise StartupError(f"S3_BUCKET is {bucket!r}, but there is no such bucket")
        if status(why) in _ELSEWHERE and region:
            raise StartupError(f"S3_BUCKET {bucket!r} is in region {region}: set S3_REGION")
        why = _explained(s3, bucket)
        if why is None:
            return
        if isinstance(why, ClientError) and code(why) == "AccessDenied":
            log.warning(
                "S3 does not let us see the bucket %r (it takes the right s3:ListBucket): "
                "whether it takes objects shows at the first", bucket,
            )  # fmt: skip
            return
    if classify(why) is Verdict.RETRY:
        log.warning("S3 is not there yet: %s", describe(why))
    elif isinstance(why, ClientError):
        raise StartupError(f"S3 denies us the bucket {bucket!r}: {describe(why)}")
    else:
        raise StartupError(f"S3: {describe(why)}")


def _explained(s3: Any, bucket: str | None) -> Exception | None:
    """Why S3 denies us a bucket, which its answer to HEAD does not say; None where it does not, after all."""
    try:
        s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except Exception as error:
        return error
    return None


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
