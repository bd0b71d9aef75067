"""The threads that ask S3 for all uploads of a process."""

from concurrent.futures import Executor

from prometheus_client import Counter, Gauge

from ..background import Backlog
from .requests import Gone, Requests
from .upload import Complete, Request, Send, Tidy, Upload

_last = Gauge(
    "s3_last_object_timestamp_seconds", "Time at which an object was last completed, in epoch seconds; 0: not yet"
)
_objects = Counter("s3_objects", "Objects completed")
_bytes = Counter("s3_bytes", "Bytes of completed objects")
_rows = Counter("s3_rows", "Rows of completed objects")
_parts = Counter("s3_parts", "Parts uploaded")
buffered = Gauge("s3_buffered_bytes", "Bytes that wait to be uploaded")


class Uploads:
    """Advances uploads, with a thread for each request; a lasting failure is the backlog's."""

    def __init__(self, requests: Requests, threads: Executor, tidying: Executor, backlog: Backlog) -> None:
        """Take the threads.

        Args:
            requests: asks S3.
            threads: make the requests.
            tidying: make the requests that nothing waits for, so that they delay no others.
            backlog: counts the bytes of the parts that may be sent and that S3 has not taken.
        """
        self.backlog = backlog
        self._requests, self._threads, self._tidying = requests, threads, tidying
        self._closed = False

    def advance(self, upload: Upload) -> None:
        """Make all requests that are due now. Each answer makes those that are due then."""
        self.backlog.hold(upload.recount())
        for request in upload.requests():
            threads = self._tidying if isinstance(request, Tidy) else self._threads
            try:
                threads.submit(self._ask, upload, request)
            except RuntimeError:  # the threads have ended, as has the flow
                if not self._closed:
                    raise

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True
        self._requests.close()
        for threads in (self._threads, self._tidying):
            threads.shutdown(wait=False, cancel_futures=True)

    # The methods below run in the threads.

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
            self.backlog.fail(error)

    def _measure(self, upload: Upload, request: Request, *, visible: bool) -> None:
        if isinstance(request, Send):
            _parts.inc()
        if visible:
            _objects.inc()
            _last.set_to_current_time()
            _bytes.inc(upload.size)
            _rows.inc(upload.rows)
