"""The requests of an upload, each made until it is answered."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Lock
from typing import Any

from botocore.exceptions import ClientError
from prometheus_client import Counter

from sinks.s3.errors import Refused, Verdict, classify, code, describe
from sinks.s3.upload import Answer, Begin, Complete, Hidden, Look, Put, Request, Send, Tidy, Upload

log = logging.getLogger(__name__)

_retries = Counter("s3_retries", "Requests tried again")

_FIRST_REST, _LONGEST_REST = 0.1, 5.0
_REPORT_SECONDS = 10.0
_TIDY_ATTEMPTS = 3
"""Tidying up is worth no more."""


def back_off(attempt: int) -> float:
    """Seconds to wait after so many attempts."""
    return random.uniform(0, min(_LONGEST_REST, _FIRST_REST * 2 ** min(attempt, 10)))


class Gone(Exception):
    """S3 does not have the upload of a request, or not all of its parts; the text is S3's."""


class Unanswered(RuntimeError):
    """A request was not answered in as many attempts as it is worth."""


class Requests:
    """Asks S3. It may be used by many threads."""

    def __init__(
        self,
        connect: Callable[[], Any],
        bucket: str,
        *,
        extra: Mapping[str, str],
        rest: Callable[[int], float] = back_off,
    ) -> None:
        """Make a client.

        Args:
            connect: makes boto3's client of S3, which is thread-safe, with the credentials of this moment.
            bucket: of new objects.
            extra: more arguments of a new object: encryption, storage class, tags.
            rest: seconds before the attempt after so many.
        """
        self._connect, self._bucket, self._extra, self._rest = connect, bucket, extra, rest
        self._client = connect()
        self._renewing = Lock()
        self._tidy = True
        self._closed = Event()

    def close(self) -> None:
        """Let requests that wait for their next attempt end."""
        self._closed.set()

    def make(self, upload: Upload, request: Request) -> Answer:
        """Make a request, and return its answer.

        Raises:
            Gone: S3 does not have the upload.
            Refused: S3 refuses, and would refuse again; or the requests are closed.
        """
        where = {"Bucket": upload.bucket, "Key": upload.key}
        new = {"ContentType": upload.content_type, **self._extra}
        match request:
            case Begin():
                begun = self._try(
                    f"begin an upload of {upload.key}", upload, lambda s3: s3.create_multipart_upload(**where, **new)
                )
                return str(begun["UploadId"])
            case Send(id=id, number=number, data=data):
                taken = self._try(
                    f"upload part {number} of {upload.key}",
                    upload,
                    lambda s3: s3.upload_part(**where, UploadId=id, PartNumber=number, Body=data),
                    id,
                )
                return str(taken["ETag"])
            case Complete(id=id, etags=etags):
                parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
                self._try(
                    f"complete {upload.key}",
                    upload,
                    lambda s3: s3.complete_multipart_upload(**where, UploadId=id, MultipartUpload={"Parts": parts}),
                    id,
                )
            case Put(data=data):
                self._try(f"put {upload.key}", upload, lambda s3: s3.put_object(**where, Body=data, **new))
            case Look():
                return self._look(upload, where)
            case Tidy():
                self._tidy_up(upload, where)
        return None

    def _look(self, upload: Upload, where: Mapping[str, str]) -> Answer:
        try:
            seen = self._try(f"look for {upload.key}", upload, lambda s3: s3.head_object(**where), "any")
        except Gone:
            return None
        except Refused as error:
            return Hidden(str(error))
        return int(seen["ContentLength"])

    def _tidy_up(self, upload: Upload, where: Mapping[str, str]) -> None:
        """Abort other uploads of the key. The object is complete: whatever S3 answers stops nothing."""
        if not self._tidy:
            return
        try:
            # By the exact key: MinIO finds none by a prefix.
            listed = self._try(
                f"list uploads of {upload.key}",
                upload,
                lambda s3: s3.list_multipart_uploads(Bucket=upload.bucket, Prefix=upload.key),
                attempts=_TIDY_ATTEMPTS,
            )
            for other in listed.get("Uploads", ()):
                if other["Key"] == upload.key and other["UploadId"] != upload.id:
                    log.info("aborting an upload of %s that nobody goes on with", upload.key)
                    self._abort(upload, where, other["UploadId"])
        except Unanswered as error:
            log.warning("S3: unfinished uploads of %s, if there are any, stay: %s", upload.key, error)
        except Refused as error:
            if self._closed.is_set():
                return
            self._tidy = False
            log.warning(
                "%s; unfinished uploads that a crash leaves behind are not aborted. Grant "
                "s3:ListBucketMultipartUploads and s3:AbortMultipartUpload, or let a lifecycle rule remove them; "
                "objects are not affected",
                error,
            )

    def _abort(self, upload: Upload, where: Mapping[str, str], id: str) -> None:  # noqa: A002
        with suppress(Gone):
            self._try(
                f"abort an upload of {upload.key}",
                upload,
                lambda s3: s3.abort_multipart_upload(**where, UploadId=id),
                id,
                attempts=_TIDY_ATTEMPTS,
            )

    def _try(
        self,
        what: str,
        upload: Upload,
        ask: Callable[[Any], Any],
        id: str | None = None,  # noqa: A002
        *,
        attempts: int | None = None,
    ) -> Any:
        """Make a request until it is answered.

        Raises:
            Gone: what the request is about, if it has an ``id``, is not there.
            Unanswered: after so many ``attempts``.
            Refused: trying again is of no use.
        """
        attempt, report = 0, 0.0
        while True:
            client = self._client
            try:
                return ask(client)
            except Exception as error:
                why = describe(error)
                verdict = classify(error)
                if verdict is Verdict.LOST and id is not None:
                    raise Gone(why) from None
                if verdict in {Verdict.LOST, Verdict.FATAL}:
                    raise Refused(f"S3 refuses to {what}: {why}{self._advice(upload, error)}") from error
            attempt += 1
            if attempts is not None and attempt >= attempts:
                raise Unanswered(f"S3 did not {what} in {attempt} attempts: {why}")
            _retries.inc()
            if time.monotonic() >= report:
                log.warning("trying again to %s: %s", what, why)
                report = time.monotonic() + _REPORT_SECONDS
            if self._closed.wait(self._rest(attempt)):
                raise Refused(f"S3 did not {what} before the end: {why}")
            if verdict is Verdict.RENEW:
                self._renew(client)

    def _renew(self, expired: Any) -> None:
        """Make a client anew whose credentials have expired; once, however many requests failed with it."""
        with self._renewing:
            if self._client is expired:
                try:
                    self._client = self._connect()
                except Exception as error:  # a file of credentials that is being written
                    log.warning("no credentials yet: %s", describe(error))

    def _advice(self, upload: Upload, error: Exception) -> str:
        advice = ""
        if isinstance(error, ClientError) and code(error) in {"AccessDenied", "403"}:
            rights = ["s3:PutObject"]
            rights += ["s3:PutObjectTagging"] if "Tagging" in self._extra else []
            rights += (
                ["kms:GenerateDataKey", "kms:Decrypt"] if "kms" in self._extra.get("ServerSideEncryption", "") else []
            )
            advice = f"; writing needs {', '.join(rights)}"
        if upload.bucket != self._bucket:
            advice += (
                f"; the object was begun with S3_BUCKET={upload.bucket}, and the recovery store has its rows: "
                "make that bucket writable until it is complete"
            )
        return advice
