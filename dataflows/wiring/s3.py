"""S3: the sink of the archive branch."""

import logging
import os
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import pyarrow as pa
from botocore.exceptions import ClientError

from dataflows import letters, process
from dataflows.archive import FORMATS
from dataflows.wiring.errors import StartupError
from messages.dead_letter import Refused
from operators.batch import group_index
from records.enriched import EnrichedRating
from settings import Archive
from sinks.errors import Limit, no_limit
from sinks.s3 import Layout, Rejection, Rolling, S3Sink
from sinks.s3.errors import Verdict, classify, code, describe, status

log = logging.getLogger(__name__)


_NO_BUCKET, _ELSEWHERE = 404, {301, 400}
"""HTTP statuses of a bucket that is not there, and of one in another region."""


def connect(settings: Archive, bury: Callable[[list[Refused]], None], limit: Limit = no_limit) -> S3Sink | None:
    """The branch's sink; None if the branch is off.

    Args:
        settings: the branch's.
        bury: writes dead letters of ratings that no object can hold, and returns when they are safe.
        limit: stops the flow at too many of them.

    Raises:
        StartupError: the bucket is not there or not ours, a setting is not usable, or there is no recovery store.
    """
    if settings.bucket is None:
        log.info("S3_BUCKET is not set: nothing is written to S3")
        return None
    if not process.has_recovery_store():
        raise StartupError("S3_BUCKET needs a recovery store, or a crash would lose open objects: -r DIR -s 1 -b 0")
    form = FORMATS[settings.format]
    try:
        layout = Layout(settings.key, prefix=settings.prefix, extension=form.extension, time=attrgetter("rating_ts"))
    except ValueError as error:
        raise StartupError(f"S3_KEY: {error}") from None
    if strange := [name for name in layout.fields if name not in EnrichedRating.__struct_fields__]:
        raise StartupError(f"S3_KEY is {settings.key!r}, but an enriched rating has no {' and no '.join(strange)}")
    _check(settings)
    # Arrow's own pool gives back to the kernel what the C library keeps, as ``process.set_up`` has told it.
    pa.set_memory_pool(pa.system_memory_pool())
    return S3Sink(
        lambda: client(settings),
        settings.bucket,
        layout,
        form,
        Rolling(settings.roll_bytes, settings.roll_rows, settings.roll_seconds, settings.max_open_objects),
        reject=partial(_reject, bury, settings.bucket),
        limit=limit,
        extra=_extra(settings),
        concurrency=settings.concurrency,
        max_buffer_bytes=settings.max_buffer_bytes,
        lane_of=group_index,
        stopping=process.stopping,
    )


def _reject(bury: Callable[[list[Refused]], None], bucket: str, rejected: list[Rejection]) -> None:
    """Write ratings that no object can hold as dead letters."""
    bury(letters.refused_records("archive", bucket, rejected))


def client(settings: Archive) -> Any:
    """Make a client of S3; credentials and endpoint by boto3's own chain. It retries nothing: the sink does.

    Its session is its own: boto3's common one would keep credentials that have expired.
    """
    # Not at the top: a flow without S3 does not wait for them.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

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
