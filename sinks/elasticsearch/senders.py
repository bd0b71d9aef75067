"""The threads that send chunks of documents to Elasticsearch, in the background of the flow."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Lock, Thread

from elasticsearch import Elasticsearch
from prometheus_client import Counter, Gauge, Histogram

from sinks.elasticsearch.buffer import Chunk, Queue
from sinks.elasticsearch.bulk import Refused, Rejection, source
from sinks.elasticsearch.client import Cluster, Template, send
from sinks.elasticsearch.readiness import NotYet, prepare

log = logging.getLogger(__name__)

outcomes = Counter(
    "elasticsearch_documents",
    "Documents by what became of them: acknowledged, stale (a newer one was there), rejected (a dead letter)",
    ["outcome"],
)
_bulks = Counter("elasticsearch_bulks", "Bulk requests")
_retries = Counter("elasticsearch_retries", "Documents sent again")
_buffered_bytes = Gauge("elasticsearch_buffered_bytes", "Bytes of documents that are not answered yet")
_buffered_documents = Gauge("elasticsearch_buffered_documents", "Documents that are not answered yet")
_oldest = Gauge("elasticsearch_oldest_document_age_seconds", "How long the oldest of them has waited")
_seconds = Histogram(
    "elasticsearch_bulk_seconds", "Duration of a bulk request", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
)

_FIRST_REST, _LONGEST_REST = 0.1, 5.0
_REPORT_SECONDS = 10.0


@dataclass(frozen=True)
class Sending:
    """How documents are sent."""

    concurrency: int = 2
    """Bulk requests in flight. Documents of one lane are in one of them at a time, and so keep their order."""
    bulk_bytes: int = 5 << 20
    bulk_seconds: float = 1.0
    """A bulk request is sent when it has so many bytes, or its oldest document is so old."""
    max_buffer_bytes: int = 64 << 20
    """Documents not answered yet have so many bytes of memory at most; then writing waits. They are compressed with the
    first snapshot, to a fifth or so."""
    max_retries: int | None = None
    """A document is sent again so often and then rejected; None: without limit."""


class Senders:
    """Takes operations of lanes, sends them, and says when they are answered."""

    def __init__(
        self, cluster: Cluster, templates: Sequence[Template], sending: Sending, stopping: Callable[[], bool]
    ) -> None:
        self._cluster, self._templates, self._sending, self._stopping = cluster, templates, sending, stopping
        self._bytes = 0
        self._failure: str | None = None
        self._closed = Event()
        self._ready, self._preparing = False, Lock()
        self._lock = Lock()
        self._work, self._answers = Condition(self._lock), Condition(self._lock)
        self._queues = [Queue() for _ in range(sending.concurrency)]
        _oldest.set_function(lambda: max(queue.age() for queue in self._queues))
        for queue in self._queues:
            Thread(target=self._run, args=(queue,), name="elasticsearch", daemon=True).start()

    def enqueue(self, lane: int, chunk: Chunk) -> None:
        """Send a chunk that came out of a snapshot."""
        with self._lock:
            self._append(lane, chunk)

    def add(self, lane: int, last: Chunk | None, operations: Sequence[bytes]) -> Chunk:
        """Add operations to the lane's last chunk, or to a new one if that is closed; the chunk.

        Waits while the buffer is full, unless the flow is to stop.

        Raises:
            Refused: the cluster refuses documents.
        """
        room = self._sending.max_buffer_bytes
        self._wait(lambda: self._bytes < room or self._stopping(), "the buffer is full")
        with self._lock:
            if last is None or last.closed:
                chunk = Chunk()
                chunk.add(operations)
                self._append(lane, chunk)
                return chunk
            before = last.bytes
            last.add(operations)
            self._grow(lane, last.bytes - before, len(operations))
            return last

    def keep(self, chunk: Chunk) -> bytes:
        """A chunk for a snapshot; what is not on its way is kept in this form alone."""
        packed = chunk.pack()
        with self._lock:
            before = chunk.held
            chunk.shrink()
            self._hold(chunk.held - before)
        return packed

    def wait_for(self, chunks: Iterable[Chunk], seconds: float) -> bool:
        """Wait until the chunks are answered; whether they are.

        Raises:
            Refused: the cluster refuses documents.
        """
        until = time.monotonic() + seconds
        self._wait(lambda: all(chunk.answered for chunk in chunks) or time.monotonic() > until, "waiting for answers")
        return all(chunk.answered for chunk in chunks)

    def check(self) -> None:
        """See that documents can be sent.

        Raises:
            Refused: the cluster refuses them.
        """
        if self._failure is not None:
            raise Refused(self._failure)

    def close(self) -> None:
        """Send nothing more. What is not answered is in the last snapshot."""
        with self._lock:
            self._closed.set()
            self._work.notify_all()

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        report = time.monotonic() + _REPORT_SECONDS
        with self._lock:
            while not done() and self._failure is None:
                self._answers.wait(0.2)
                if time.monotonic() >= report:
                    log.warning("%s: %d bytes of documents wait for Elasticsearch", what, self._bytes)
                    report = time.monotonic() + _REPORT_SECONDS
        self.check()

    def _append(self, lane: int, chunk: Chunk) -> None:
        self._queues[lane % len(self._queues)].append(chunk)
        self._grow(lane, chunk.bytes, chunk.documents)
        self._hold(chunk.held - chunk.bytes)

    def _grow(self, lane: int, size: int, documents: int) -> None:
        queue = self._queues[lane % len(self._queues)]
        due = queue.bytes == 0 or queue.bytes + size >= self._sending.bulk_bytes
        queue.bytes += size
        self._hold(size)
        _buffered_documents.inc(documents)
        if due:
            self._work.notify_all()

    def _hold(self, size: int) -> None:
        self._bytes += size
        _buffered_bytes.inc(size)

    # What follows runs in the threads.

    def _run(self, queue: Queue) -> None:
        try:
            client = self._cluster.connect()
            while chunks := self._next(queue):
                if not self._deliver(client, chunks):
                    return
                with self._lock:
                    queue.remove(chunks)
                    for chunk in chunks:
                        chunk.answered = True
                        self._hold(-chunk.held)
                        _buffered_documents.dec(chunk.documents)
                    self._answers.notify_all()
        except Exception as error:
            self._failure = f"Elasticsearch refuses documents: {error}"
            if not isinstance(error, Refused):
                log.exception("a thread that sends documents to Elasticsearch ends")

    def _next(self, queue: Queue) -> list[Chunk]:
        """The chunks of the next bulk request, once it is large or old enough; none when there is no more to do."""
        most, oldest = self._sending.bulk_bytes, self._sending.bulk_seconds
        with self._lock:
            while not self._closed.is_set():
                if queue and (queue.age() >= oldest or queue.bytes >= most):
                    return queue.head(most)
                self._work.wait(oldest - queue.age() if queue else None)
        return []

    def _deliver(self, client: Elasticsearch, chunks: list[Chunk]) -> bool:
        """Send chunks until all their documents are answered; whether they are, or the thread is to end before."""
        waiting = [(chunk, operation) for chunk in chunks for operation in self._take(chunk)]
        attempt, report = 0, 0.0
        while not self._closed.is_set():
            why = self._prepare(client)
            if why is None:
                began = time.monotonic()
                result = send(client, [operation for _, operation in waiting])
                _seconds.observe(time.monotonic() - began)
                _bulks.inc()
                outcomes.labels("acknowledged").inc(result.acknowledged)
                outcomes.labels("stale").inc(result.stale)
                for rejection in result.rejected:
                    self._reject(*waiting[rejection.at], rejection)
                progress = len(result.retryable) < len(waiting)
                waiting, why = [waiting[at] for at in result.retryable], result.why
                attempt = 0 if progress else attempt + 1
            else:
                attempt += 1
            if waiting and self._sending.max_retries is not None and attempt > self._sending.max_retries:
                for chunk, operation in waiting:
                    self._reject(chunk, operation, Rejection(0, "too_many_retries", f"sent {attempt} times: {why}"))
                waiting = []
            if not waiting:
                return True
            _retries.inc(len(waiting))
            if time.monotonic() >= report:
                index = source(waiting[0][1])[0]
                log.warning("%d documents wait for Elasticsearch, the first for %s: %s", len(waiting), index, why)
                report = time.monotonic() + _REPORT_SECONDS
            # Full jitter: those who were refused together do not come back together.
            self._closed.wait(random.uniform(0, min(_LONGEST_REST, _FIRST_REST * 2 ** min(attempt, 10))))
        return False

    def _take(self, chunk: Chunk) -> list[bytes]:
        with self._lock:
            before = chunk.held
            operations = chunk.take()
            self._hold(chunk.held - before)
            return operations

    def _reject(self, chunk: Chunk, operation: bytes, rejection: Rejection) -> None:
        chunk.rejected.append((operation, rejection))

    def _prepare(self, client: Elasticsearch) -> str | None:
        """See to what must be so before the first document; why it is not yet, or None."""
        with self._preparing:
            if not self._ready:
                try:
                    prepare(client, self._templates)
                except NotYet as error:
                    return str(error)
                self._ready = True
        return None
