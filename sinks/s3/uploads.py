"""Requests to S3, in the background of the flow: parts of open objects, and the completion of sealed ones."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Condition, Event, Lock
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client import Counter, Gauge

log = logging.getLogger(__name__)

_objects = Counter("s3_objects", "Objects completed")
_bytes = Counter("s3_bytes", "Bytes of completed objects")
_rows = Counter("s3_rows", "Rows of completed objects")
_parts = Counter("s3_parts", "Parts uploaded")
_retries = Counter("s3_retries", "Requests tried again")
_buffered = Gauge("s3_buffered_bytes", "Bytes that wait for S3")

_FIRST_REST, _LONGEST_REST = 0.1, 5.0
_REPORT_SECONDS = 10.0

T = TypeVar("T")


class LostUpload(RuntimeError):
    """S3 no longer has a multipart upload, nor the object; the rows of its earlier parts are gone with it."""


class Refused(RuntimeError):
    """S3 refuses what trying again will not change."""


@dataclass
class Part:
    """A part of an object, from its bytes to S3's tag for it."""

    number: int
    size: int
    data: bytes | None
    """Until it is uploaded."""
    etag: str | None = None
    sent: bool = False
    """It was handed to the threads."""


@dataclass
class Upload:
    """An object on its way."""

    key: str
    rows: int = 0
    id: str | None = None
    """Of the multipart upload, once one was begun."""
    parts: list[Part] = field(default_factory=list)
    last: bytes | None = None
    """The bytes after all parts, once the object is sealed."""
    resumed: bool = False
    """It came out of a snapshot: a run that died may have completed it."""
    completed: bool = False
    lock: Lock = field(default_factory=Lock, repr=False)
    """One request at a time begins the upload."""

    def save(self) -> dict[str, Any]:
        """The object for a snapshot, as plain values. The threads may be at work on it."""
        parts = []
        for part in self.parts:
            data = part.data  # before the tag: a part that loses its data has one
            parts.append((part.number, part.size, None if part.etag else data, part.etag))
        return {"key": self.key, "rows": self.rows, "id": self.id, "parts": parts, "last": self.last}

    @classmethod
    def restore(cls, saved: Mapping[str, Any]) -> "Upload":
        """The object of a snapshot."""
        parts = [Part(number, size, data, etag, sent=etag is not None) for number, size, data, etag in saved["parts"]]
        return cls(saved["key"], saved["rows"], saved["id"], parts, saved["last"], resumed=True)

    @property
    def size(self) -> int:
        """Of the object, once it is sealed."""
        return sum(part.size for part in self.parts) + len(self.last or b"")


class Uploads:
    """Sends parts and completes objects until S3 has taken them; a failure that lasts is raised by ``check``."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        *,
        content_type: str,
        extra: Mapping[str, str],
        concurrency: int,
        max_buffer_bytes: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Make the threads.

        Args:
            client: boto3's of S3, thread-safe.
            bucket: Where the objects go.
            content_type: Of the objects.
            extra: More arguments of a new object: encryption, storage class, tags.
            concurrency: Requests at a time.
            max_buffer_bytes: With more bytes on their way ``wait_for_room`` waits.
            stopping: While this holds, nothing waits for room.
        """
        self._client, self._bucket = client, bucket
        self._new = {"ContentType": content_type, **extra}
        self._max, self._stopping = max_buffer_bytes, stopping
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="s3")
        self._room = Condition()
        self._waiting = 0
        self._failure: Exception | None = None
        self._closed = Event()

    def send_part(self, upload: Upload, part: Part) -> None:
        """Upload a part."""
        self._submit(part.size, self._send_part, upload, part)

    def complete(self, upload: Upload) -> None:
        """Complete a sealed object, all of whose parts were handed to ``send_part`` before."""
        self._submit(len(upload.last or b""), self._complete, upload)

    def wait_for_room(self) -> None:
        """Wait until less than the maximum is on its way.

        Raises:
            LostUpload, Refused: S3 will not take something.
        """
        report = time.monotonic() + _REPORT_SECONDS
        with self._room:
            while self._waiting > self._max and not self._failure and not self._stopping():
                self._room.wait(0.2)
                if time.monotonic() >= report:
                    log.warning("%d bytes wait for S3: the flow is held back", self._waiting)
                    report = time.monotonic() + _REPORT_SECONDS
        self.check()

    def check(self) -> None:
        """See that S3 takes what it is sent.

        Raises:
            LostUpload, Refused: it does not.
        """
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Begin nothing more."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, size: int, work: Callable[..., None], *arguments: object) -> None:
        with self._room:
            self._waiting += size
            _buffered.inc(size)
        self._pool.submit(work, *arguments).add_done_callback(lambda done: self._done(size, done))

    def _done(self, size: int, done: "Future[None]") -> None:
        with self._room:
            self._waiting -= size
            _buffered.dec(size)
            error = None if done.cancelled() else done.exception()
            if error is not None and not self._closed.is_set():
                log.error("S3: %s", error, exc_info=None if isinstance(error, LostUpload | Refused) else error)
                self._failure = self._failure or (error if isinstance(error, Exception) else RuntimeError(str(error)))
            self._room.notify_all()

    # What follows runs in the threads.

    def _send_part(self, upload: Upload, part: Part) -> None:
        with upload.lock:
            if upload.id is None:
                upload.id = self._begin(upload)
        try:
            part.etag = self._upload(upload, part)
        except LostUpload:
            self._rebuild(upload)
        part.data = None
        _parts.inc()

    def _rebuild(self, upload: Upload) -> None:
        """Begin an upload anew that somebody has removed, while all its parts are still here."""
        with upload.lock:
            if any(part.data is None for part in upload.parts):
                raise LostUpload(self._describe(upload))
            for part in upload.parts:
                part.etag = None
            upload.id = self._begin(upload)
        for part in upload.parts:
            part.etag = self._upload(upload, part)

    def _begin(self, upload: Upload) -> str:
        begun = self._try(
            f"begin an upload of {upload.key}",
            lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=upload.key, **self._new),
        )
        return str(begun["UploadId"])

    def _upload(self, upload: Upload, part: Part) -> str:
        taken = self._try(
            f"upload part {part.number} of {upload.key}",
            lambda: self._client.upload_part(
                Bucket=self._bucket, Key=upload.key, UploadId=upload.id, PartNumber=part.number, Body=part.data
            ),
            upload,
        )
        return str(taken["ETag"])

    def _complete(self, upload: Upload) -> None:
        if upload.completed:
            return
        if not upload.resumed or self._size(upload.key) != upload.size:
            if upload.id is None and not upload.parts:
                self._put(upload)
            else:
                self._complete_parts(upload)
        self._abort_others(upload)
        upload.completed = True
        _objects.inc()
        _bytes.inc(upload.size)
        _rows.inc(upload.rows)

    def _put(self, upload: Upload) -> None:
        self._try(
            f"put {upload.key}",
            lambda: self._client.put_object(Bucket=self._bucket, Key=upload.key, Body=upload.last, **self._new),
        )

    def _complete_parts(self, upload: Upload) -> None:
        # Parts are sent before their object is completed, by a pool that is first in, first out.
        while any(part.etag is None for part in upload.parts):
            if self._closed.wait(0.05) or self._failure:
                raise Refused(f"{upload.key}: not all of its parts were uploaded")
        try:
            parts = [*upload.parts]
            if upload.last:
                last = Part(len(parts) + 1, len(upload.last), upload.last)
                last.etag = self._upload(upload, last)
                parts.append(last)
            tags = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
            self._try(
                f"complete {upload.key}",
                lambda: self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=upload.key, UploadId=upload.id, MultipartUpload={"Parts": tags}
                ),
                upload,
            )
        except LostUpload:
            # Completed already, by a request whose answer was lost?
            if self._size(upload.key) != upload.size:
                raise LostUpload(self._describe(upload)) from None

    def _size(self, key: str) -> int | None:
        try:
            return int(
                self._try(f"look for {key}", lambda: self._client.head_object(Bucket=self._bucket, Key=key))[
                    "ContentLength"
                ]
            )
        except Refused:
            return None

    def _abort_others(self, upload: Upload) -> None:
        """Abort uploads of the key that were begun and never known: by a run that died, by a request without answer."""
        # By the exact key: MinIO finds none by a prefix.
        key = upload.key
        listed = self._try(
            f"list uploads of {key}", lambda: self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
        )
        for other in listed.get("Uploads", []):
            if other["Key"] == key and other["UploadId"] != upload.id:
                log.info("aborting an upload of %s that nobody goes on with", key)
                self._abort(key, other["UploadId"])

    def _abort(self, key: str, upload: str) -> None:
        try:
            self._try(
                f"abort an upload of {key}",
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload),
            )
        except Refused as error:
            log.warning("%s", error)

    def _try(self, what: str, request: Callable[[], T], upload: Upload | None = None) -> T:
        """Make a request until it is answered.

        Raises:
            LostUpload: the upload is not there.
            Refused: trying again is of no use.
        """
        attempt, report = 0, 0.0
        while True:
            try:
                return request()
            except ClientError as error:
                code = str(error.response["Error"].get("Code"))
                status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
                if upload is not None and (code == "NoSuchUpload" or status == 404):
                    raise LostUpload(self._describe(upload)) from None
                if 400 <= status < 500 and status not in {408, 409, 429}:
                    raise Refused(f"S3 refuses to {what}: {error}") from None
                why: Exception = error
            except BotoCoreError as error:
                why = error
            attempt += 1
            _retries.inc()
            if time.monotonic() >= report:
                log.warning("trying again to %s: %s", what, why)
                report = time.monotonic() + _REPORT_SECONDS
            if self._closed.wait(random.uniform(0, min(_LONGEST_REST, _FIRST_REST * 2 ** min(attempt, 10)))):
                raise Refused(f"S3 did not {what} before the end") from None

    def _describe(self, upload: Upload) -> str:
        return (
            f"the upload {upload.id} of {upload.key} is gone (a lifecycle rule, somebody's clean-up?), and with it "
            f"{upload.rows} rows: start the flow again without its recovery store, from offsets before them"
        )
