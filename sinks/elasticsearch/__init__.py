"""Elasticsearch as a Bytewax output that loses nothing, however the cluster behaves.

Documents go to background threads; a snapshot holds those that are not answered yet. So a slow or absent Elasticsearch
delays neither the flow's other outputs nor its epochs, until the buffer is full; then it holds the flow back. Of a bulk
request only the documents that failed are sent again, without end by default; one that is itself at fault goes to a
dead-letter writer with Elasticsearch's own reason (``verdict.py``). What nobody may do stops the flow with one line.

Bytewax has no such output. helpers.bulk of the official client encodes every document anew, and does not send again
what was refused with 429 while other documents of the request were taken.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bytewax.outputs import StatefulSinkPartition
from typing_extensions import override

from sinks.elasticsearch.buffer import resumed
from sinks.elasticsearch.bulk import Document, OpType, Refused, Rejected, operations, source
from sinks.elasticsearch.client import Cluster, Template
from sinks.elasticsearch.senders import Senders, Sending, outcomes
from sinks.lanes import LanedSink, Shared

__all__ = ["Cluster", "Document", "ElasticsearchSink", "Limit", "OpType", "Refused", "Rejected", "Sending", "Template"]

log = logging.getLogger(__name__)

State = list[bytes]
"""The chunks of documents of a lane that are not answered, each compressed."""

ANSWER_SECONDS = 120.0


class Limit(Protocol):
    """How many documents may be rejected before that is taken for a fault of something else than the documents."""

    def passed(self, count: int) -> None:
        """So many documents were taken."""

    def failed(self, errors: Sequence[tuple[str, str]]) -> None:
        """Documents are to be rejected, for these errors and reasons; raises when they are too many."""


@dataclass(frozen=True)
class ElasticsearchSink(LanedSink[Iterable[Document], State]):
    """Indexes batches of documents. A stream item is ``(lane's key, documents)``.

    Lanes without documents need an item now and then all the same, for instance an empty batch each second
    (``sources.tick``): only then is a snapshot taken of them, and with it their dead letters are written.
    """

    cluster: Cluster
    reject: Callable[[list[Rejected]], None]
    """Writes documents that Elasticsearch will never take elsewhere, and returns when they are safe."""
    templates: tuple[Template, ...] = ()
    """Put before the first document, unless the cluster has them as new or newer."""
    op_type: OpType = "index"
    sending: Sending = field(default_factory=Sending)
    keep_unanswered: bool = False
    """Whether the flow has a recovery store, where snapshots keep documents that are not answered. Without one a
    snapshot waits for their answers, up to ``ANSWER_SECONDS``."""
    limit: Limit | None = None
    """Asked before documents are rejected; what it raises stops the flow, and no document is lost."""
    stopping: Callable[[], bool] = lambda: False
    """While this holds, a full buffer takes more: the flow is to end, and its last snapshot to be taken."""
    _senders: Shared[Senders] = field(default_factory=Shared, repr=False)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "_Lane":
        with _logged():
            senders = self._senders.open(lambda: Senders(self.cluster, self.templates, self.sending, self.stopping))
            return _Lane(self, senders, int(for_part), resume_state or [])

    def release(self) -> None:
        """A lane is closed."""
        self._senders.release(Senders.close)


class _Lane(StatefulSinkPartition[Iterable[Document], State]):
    def __init__(self, sink: ElasticsearchSink, senders: Senders, lane: int, state: State) -> None:
        self._sink, self._senders, self._lane = sink, senders, lane
        self._rejected = list[Rejected]()
        """Documents that cannot be sent: they are rejected with the next snapshot."""
        self._chunks = deque(resumed(packed, sink.op_type) for packed in state)
        for chunk in self._chunks:
            senders.enqueue(lane, chunk)

    @override
    def write_batch(self, values: list[Iterable[Document]]) -> None:
        with _logged():
            made, rejected = operations(
                [document for documents in values for document in documents], self._sink.op_type
            )
            self._rejected += rejected
            if made:
                last = self._chunks[-1] if self._chunks else None
                chunk = self._senders.add(self._lane, last, made)
                if chunk is not last:
                    self._chunks.append(chunk)

    @override
    def snapshot(self) -> State:
        with _logged():
            self._senders.check()
            if not self._sink.keep_unanswered and not self._senders.wait_for(self._chunks, ANSWER_SECONDS):
                raise TimeoutError(f"Elasticsearch did not answer for {ANSWER_SECONDS:.0f} s")
            answered = [chunk for chunk in self._chunks if chunk.answered]
            refused = [Rejected(*source(line), *why[1:]) for chunk in answered for line, why in chunk.rejected]
            self._settle(sum(chunk.documents for chunk in answered) - len(refused), refused + self._rejected)
            self._rejected = []
            self._chunks = deque(chunk for chunk in self._chunks if not chunk.answered)
            return [self._senders.keep(chunk) for chunk in self._chunks]

    def _settle(self, passed: int, rejected: list[Rejected]) -> None:
        limit = self._sink.limit
        if limit and passed:
            limit.passed(passed)
        if limit and rejected:
            limit.failed([(document.error, document.reason) for document in rejected])
        if rejected:
            self._sink.reject(rejected)
            outcomes.labels("rejected").inc(len(rejected))

    @override
    def close(self) -> None:
        self._sink.release()


@contextmanager
def _logged() -> Iterator[None]:
    """Log what stops the flow: in a cluster of processes Bytewax ends without a word of it."""
    try:
        yield
    except Exception as error:
        log.error("%s: %s", type(error).__name__, " ".join(str(error).split()))
        raise
