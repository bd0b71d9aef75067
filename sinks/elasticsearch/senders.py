"""The threads that send documents to Elasticsearch, in the background of the flow."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Lock, Thread
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from ..background import Backlog, Every, back_off
from ..errors import Refused
from ..outage import Outage
from .buffer import Chunk, Queue
from .bulk import Rejection, source
from .cluster import Cluster, Template

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

log = logging.getLogger(__name__)

outcomes = Counter(
    "elasticsearch_documents",
    "Documents sent, by outcome: acknowledged, stale (the index has a newer version), rejected (a dead letter)",
    ["outcome"],
)
_bulks = Counter("elasticsearch_bulks", "Bulk requests, with those sent again")
_last = Gauge(
    "elasticsearch_last_document_timestamp_seconds",
    "Time at which documents were last acknowledged, in epoch seconds; 0: not yet",
)
_retries = Counter("elasticsearch_retries", "Documents to send again after a failed attempt")
_buffered_bytes = Gauge("elasticsearch_buffered_bytes", "Bytes of documents without an answer")
_buffered_documents = Gauge("elasticsearch_buffered_documents", "Documents without an answer")
_oldest = Gauge("elasticsearch_oldest_document_age_seconds", "Age of the oldest document without an answer")
_seconds = Histogram(
    "elasticsearch_bulk_seconds", "Duration of a bulk request", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
)


@dataclass(frozen=True)
class Sending:
    """When and how often documents are sent."""

    concurrency: int = 2
    """Bulk requests in flight. One request at a time has documents of a lane, so they keep their order."""
    bulk_bytes: int = 5 << 20
    bulk_seconds: float = 1.0
    """A bulk request is sent when it has ``bulk_bytes``, or when its oldest document is ``bulk_seconds`` old."""
    max_buffer_bytes: int = 64 << 20
    """Memory for documents that are not answered; when it is full, writing waits. The first snapshot compresses
    documents to about a fifth."""
    max_retries: int | None = None
    """Retries of a document before it is rejected; None: no limit."""


class Senders:
    """Takes operations of lanes, sends them, and says when they are answered."""

    def __init__(
        self, cluster: Cluster, templates: Sequence[Template], sending: Sending, stopping: Callable[[], bool]
    ) -> None:
        self.backlog = Backlog("Elasticsearch", sending.max_buffer_bytes, _buffered_bytes, stopping)
        self._cluster, self._templates, self._sending = cluster, templates, sending
        self._outage = Outage("Elasticsearch")
        self._closed = Event()
        self._ready, self._preparing = False, Lock()
        self._lock = Lock()
        self._work = Condition(self._lock)
        self._queues = [Queue() for _ in range(sending.concurrency)]
        outcomes.labels("rejected")  # shown from the start on: else its first count would be no increase
        _oldest.set_function(lambda: max(queue.age() for queue in self._queues))
        for queue in self._queues:
            Thread(target=self._run, args=(queue,), name="elasticsearch", daemon=True).start()

    def enqueue(self, lane: int, chunk: Chunk) -> None:
        """Send a chunk that came out of a snapshot."""
        with self._lock:
            self._append(lane, chunk)

    def add(self, lane: int, last: Chunk | None, operations: Sequence[bytes]) -> Chunk:
        """Add operations to the lane's last chunk, or to a new one if that is closed; return the chunk.

        Waits while the buffer is full, unless the flow is to stop.

        Raises:
            Refused: the cluster refuses documents.
        """
        self.backlog.wait_for_room()
        with self._lock:
            if last is None or last.closed:
                chunk = Chunk()
                chunk.add(operations)
                self._append(lane, chunk)
                return chunk
            before = last.bytes
            last.add(operations)
            self._grow(lane, last, last.bytes - before, len(operations))
            return last

    def keep(self, chunk: Chunk) -> bytes:
        """A chunk for a snapshot. Unless it is on its way, it is from now on kept in this form alone."""
        packed = chunk.pack()
        with self._lock:
            chunk.shrink()
            self.backlog.hold(chunk.recount())
        return packed

    def wait_for(self, chunks: Iterable[Chunk], seconds: float) -> bool:
        """Wait until the chunks are answered; return whether they are.

        Raises:
            Refused: the cluster refuses documents.
        """
        return self.backlog.wait(lambda: all(chunk.answered for chunk in chunks), seconds)

    def close(self) -> None:
        """Send nothing more. The last snapshot has the documents that are not answered."""
        with self._lock:
            self._closed.set()
            self._work.notify_all()

    def _append(self, lane: int, chunk: Chunk) -> None:
        self._queues[lane % len(self._queues)].append(chunk)
        self._grow(lane, chunk, chunk.bytes, chunk.documents)

    def _grow(self, lane: int, chunk: Chunk, size: int, documents: int) -> None:
        queue = self._queues[lane % len(self._queues)]
        due = queue.bytes == 0 or queue.bytes + size >= self._sending.bulk_bytes
        queue.bytes += size
        self.backlog.hold(chunk.recount())
        _buffered_documents.inc(documents)
        if due:
            self._work.notify_all()

    # The methods below run in the threads.

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
                        self.backlog.hold(chunk.recount())
                        _buffered_documents.dec(chunk.documents)
        except Refused as error:
            self.backlog.fail(Refused(f"Elasticsearch refuses documents: {error}"))
        except Exception as error:
            self.backlog.fail(error)

    def _next(self, queue: Queue) -> list[Chunk]:
        """The chunks of the next bulk request, once it is large or old enough; none once the senders are closed."""
        most, oldest = self._sending.bulk_bytes, self._sending.bulk_seconds
        with self._lock:
            while not self._closed.is_set():
                if queue and (queue.age() >= oldest or queue.bytes >= most):
                    return queue.head(most)
                self._work.wait(oldest - queue.age() if queue else None)
        return []

    def _deliver(self, client: "Elasticsearch", chunks: list[Chunk]) -> bool:
        """Send chunks until all their documents are answered, or until the senders are closed: then return False."""
        from .client import send  # noqa: PLC0415

        waiting = [(chunk, operation) for chunk in chunks for operation in self._take(chunk)]
        attempt, report = 0, Every()
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
                    chunk, operation = waiting[rejection.at]
                    chunk.rejected.append((operation, rejection))
                progress = len(result.retryable) < len(waiting)
                if result.acknowledged or result.stale:
                    _last.set_to_current_time()
                waiting, why = [waiting[at] for at in result.retryable], result.why
                attempt = 0 if progress else attempt + 1
            else:
                attempt += 1
            if waiting and self._sending.max_retries is not None and attempt > self._sending.max_retries:
                for chunk, operation in waiting:
                    chunk.rejected.append((operation, Rejection(0, "too_many_retries", f"sent {attempt} times: {why}")))
                waiting = []
            if not waiting or not attempt:
                self._outage.over()
            if not waiting:
                return True
            if attempt:
                self._outage.failed(str(why))
            _retries.inc(len(waiting))
            if report():
                index = source(waiting[0][1])[0]
                log.warning("%d documents wait for Elasticsearch, the first for %s: %s", len(waiting), index, why)
            self._closed.wait(back_off(attempt))
        self._outage.over()
        return False

    def _take(self, chunk: Chunk) -> list[bytes]:
        with self._lock:
            operations = chunk.take()
            self.backlog.hold(chunk.recount())
            return operations

    def _prepare(self, client: "Elasticsearch") -> str | None:
        """Check the cluster and put the templates, once; the reason why that is not possible yet, or None."""
        from .readiness import NotYet, prepare  # noqa: PLC0415

        with self._preparing:
            if not self._ready:
                try:
                    prepare(client, self._templates)
                except NotYet as error:
                    return str(error)
                self._ready = True
        return None
