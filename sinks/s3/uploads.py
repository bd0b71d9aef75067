"""The threads that ask S3: what is asked at once, the bound on what waits, and the failure that ends the flow."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from threading import Condition

from prometheus_client import Counter, Gauge

from sinks.s3.errors import PLAIN
from sinks.s3.requests import Gone, Requests
from sinks.s3.upload import Complete, Request, Send, Tidy, Upload

log = logging.getLogger(__name__)

_objects = Counter("s3_objects", "Objects completed")
_bytes = Counter("s3_bytes", "Bytes of completed objects")
_rows = Counter("s3_rows", "Rows of completed objects")
_parts = Counter("s3_parts", "Parts uploaded")
_buffered = Gauge("s3_buffered_bytes", "Bytes that wait for S3")

_REPORT_SECONDS = 10.0


class Uploads:
    """Brings uploads on, each request in a thread; a failure that lasts is raised by ``check``."""

    def __init__(
        self,
        requests: Requests,
        threads: Executor,
        tidying: Executor,
        *,
        max_buffer_bytes: int,
        stopping: Callable[[], bool],
    ) -> None:
        """Take the threads.

        Args:
            requests: asks S3.
            threads: make the requests.
            tidying: make those that nothing waits for, so that they hold up no others.
            max_buffer_bytes: with more bytes on their way ``wait_for_room`` waits.
            stopping: while this holds, nothing waits for room.
        """
        self._requests, self._threads, self._tidying = requests, threads, tidying
        self._max, self._stopping = max_buffer_bytes, stopping
        self._room = Condition()
        self._waiting = 0
        self._closed = False
        self.failure: Exception | None = None

    def advance(self, upload: Upload) -> None:
        """Ask S3 for all that the upload needs now. What it needs next is asked when an answer is there."""
        self._count(upload)
        for request in upload.requests():
            threads = self._tidying if isinstance(request, Tidy) else self._threads
            try:
                threads.submit(self._ask, upload, request)
            except RuntimeError:  # the threads have ended, as has the flow
                if not self._closed:
                    raise

    def wait_for_room(self) -> None:
        """Wait until less than the maximum is on its way.

        Raises:
            LostUpload, Refused: S3 will not take something.
        """
        report = time.monotonic() + _REPORT_SECONDS
        with self._room:
            while self._waiting > self._max and not self.failure and not self._stopping():
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
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True
        self._requests.close()
        for threads in (self._threads, self._tidying):
            threads.shutdown(wait=False, cancel_futures=True)

    # What follows runs in the threads.

    def _ask(self, upload: Upload, request: Request) -> None:
        try:
            try:
                answer = self._requests.make(upload, request)
            except Gone as error:
                if not isinstance(request, Send | Complete):
                    raise
                upload.gone(request, str(error))
            else:
                visible = upload.answered(request, answer)
                self._measure(upload, request, visible=visible)
            self.advance(upload)
        except Exception as error:
            self._fail(error)

    def _measure(self, upload: Upload, request: Request, *, visible: bool) -> None:
        if isinstance(request, Send):
            _parts.inc()
        if visible:
            _objects.inc()
            _bytes.inc(upload.size)
            _rows.inc(upload.rows)

    def _count(self, upload: Upload) -> None:
        with self._room:
            waiting = upload.waiting
            self._waiting += waiting - upload.counted
            _buffered.inc(waiting - upload.counted)
            upload.counted = waiting
            self._room.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._room:
            if not self._closed and self.failure is None:
                log.error("%s", error, exc_info=None if isinstance(error, PLAIN) else error)
                self.failure = error
            self._room.notify_all()
