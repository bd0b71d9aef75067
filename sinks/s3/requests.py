"""The requests of an upload: as calls of boto3, which is pure, and each made until it is answered."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Lock
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from prometheus_client import Counter

from ..background import Every, back_off
from ..errors import Refused, SinkError
from ..outage import Outage
from .errors import Verdict, classify, code, describe
from .upload import Answer, Begin, Complete, Hidden, Look, Put, Request, Send, Tidy, Upload

log = logging.getLogger(__name__)

_retries = Counter("s3_retries", "Requests to S3 repeated after an error")

_TIDY_ATTEMPTS = 3
"""Tidying up is worth no more."""


class Gone(Exception):
    """S3 does not have the upload of a request, or not all of its parts; the text is S3's."""


class Unanswered(SinkError):
    """A request was not answered in as many attempts as it is worth."""


class Call(NamedTuple):
    """A request as a call of boto3's client."""

    aim: str
    """In words, after "S3 refuses to"."""
    method: str
    arguments: dict[str, Any]
    may_be_gone: bool = False
    """Whether it is about an upload or an object that S3 may not have."""


def call(upload: Upload, request: Request, extra: Mapping[str, str]) -> Call:
    """The call of a request; ``extra`` arguments are those of a new object."""
    key, where = upload.key, {"Bucket": upload.bucket, "Key": upload.key}
    new = {**where, "ContentType": upload.content_type, **extra}
    match request:
        case Begin():
            return Call(f"begin an upload of {key}", "create_multipart_upload", new)
        case Send(id=id, number=number, data=data):
            part = {**where, "UploadId": id, "PartNumber": number, "Body": data}
            return Call(f"upload part {number} of {key}", "upload_part", part, may_be_gone=True)
        case Complete(id=id, etags=etags):
            parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
            whole = {**where, "UploadId": id, "MultipartUpload": {"Parts": parts}}
            return Call(f"complete {key}", "complete_multipart_upload", whole, may_be_gone=True)
        case Put(data=data):
            return Call(f"put {key}", "put_object", {**new, "Body": data})
        case Look():
            return Call(f"look for {key}", "head_object", where, may_be_gone=True)
        case Tidy():
            # By the exact key: MinIO finds none by a shorter prefix.
            return Call(
                f"list uploads of {key}", "list_multipart_uploads", {"Bucket": upload.bucket, "Prefix": upload.key}
            )


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
            rest: seconds to wait after the n-th failure of a request.
        """
        self._connect, self._bucket, self._extra, self._rest = connect, bucket, extra, rest
        self._client = connect()
        self._renewing = Lock()
        self._tidy = True
        self._outage = Outage("S3")
        self._closed = Event()

    def close(self) -> None:
        """End the requests that wait for their next attempt."""
        self._closed.set()

    def make(self, upload: Upload, request: Request) -> Answer:
        """Make a request, and return its answer.

        Raises:
            Gone: S3 does not have the upload.
            Refused: S3 refuses, and would refuse again; or the requests are closed.
        """
        asked = call(upload, request, self._extra)
        match request:
            case Begin():
                return str(self._try(upload, asked)["UploadId"])
            case Send():
                return str(self._try(upload, asked)["ETag"])
            case Look():
                return self._look(upload, asked)
            case Tidy():
                self._tidy_up(upload, asked)
            case _:
                self._try(upload, asked)
        return None

    def _look(self, upload: Upload, asked: Call) -> Answer:
        try:
            return int(self._try(upload, asked)["ContentLength"])
        except Gone:
            return None
        except Refused as error:
            return Hidden(str(error))

    def _tidy_up(self, upload: Upload, asked: Call) -> None:
        """Abort other uploads of the key. The object is complete: no answer of S3 stops the flow."""
        if not self._tidy:
            return
        try:
            for other in self._try(upload, asked, _TIDY_ATTEMPTS).get("Uploads", ()):
                if other["Key"] == upload.key and other["UploadId"] != upload.id:
                    log.info("aborting an upload of %s that nobody goes on with", upload.key)
                    where = {"Bucket": upload.bucket, "Key": upload.key, "UploadId": other["UploadId"]}
                    abort = Call(f"abort an upload of {upload.key}", "abort_multipart_upload", where, may_be_gone=True)
                    with suppress(Gone):
                        self._try(upload, abort, _TIDY_ATTEMPTS)
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

    def _try(self, upload: Upload, asked: Call, attempts: int | None = None) -> Any:
        """Make a call until it is answered; see ``_try_again``."""
        try:
            return self._try_again(upload, asked, attempts)
        finally:
            self._outage.over()

    def _try_again(self, upload: Upload, asked: Call, attempts: int | None) -> Any:
        """Make a call until it is answered.

        Raises:
            Gone: S3 does not have the upload or the object that it is about.
            Unanswered: there was no answer in ``attempts`` attempts.
            Refused: S3 would refuse again.
        """
        attempt, report = 0, Every()
        while True:
            client = self._client
            try:
                return getattr(client, asked.method)(**asked.arguments)
            except Exception as error:
                why = describe(error)
                verdict = classify(error)
                if verdict is Verdict.LOST and asked.may_be_gone:
                    raise Gone(why) from None
                if verdict in {Verdict.LOST, Verdict.FATAL}:
                    raise Refused(f"S3 refuses to {asked.aim}: {why}{self._advice(upload, error)}") from error
            attempt += 1
            if attempts is not None and attempt >= attempts:
                raise Unanswered(f"S3 did not {asked.aim} in {attempt} attempts: {why}")
            _retries.inc()
            self._outage.failed(why)
            if report():
                log.warning("trying again to %s: %s", asked.aim, why)
            if self._closed.wait(self._rest(attempt)):
                raise Refused(f"S3 did not {asked.aim} before the end: {why}")
            if verdict is Verdict.RENEW:
                self._renew(client)

    def _renew(self, expired: Any) -> None:
        """Replace a client whose credentials have expired; once, however many requests failed with it."""
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
