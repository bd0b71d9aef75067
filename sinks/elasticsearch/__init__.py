"""Elasticsearch as a Bytewax output that loses nothing, however the cluster behaves.

Documents go to background threads; a snapshot holds those that are not answered yet. So a slow or absent Elasticsearch
delays neither the flow's other outputs nor its epochs, until the buffer is full; then it holds the flow back. Of a bulk
request only the documents that failed are sent again, without end by default; one that Elasticsearch will never take
goes to a dead-letter writer with Elasticsearch's own reason. What cannot succeed before somebody acts stops the flow.

Bytewax has no such output. helpers.bulk of the official client encodes every document anew, and does not send again
what was refused with 429 while other documents of the request were taken.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bytewax.outputs import StatefulSinkPartition
from typing_extensions import override

from sinks.elasticsearch.buffer import Chunk
from sinks.elasticsearch.bulk import Document, OpType, Rejection, operation, source
from sinks.elasticsearch.client import Cluster, Template
from sinks.elasticsearch.senders import Senders, Sending
from sinks.lanes import LanedSink, Shared

__all__ = ["Cluster", "Document", "ElasticsearchSink", "OpType", "Rejection", "Sending", "Template"]

State = list[bytes]
"""The chunks of documents of a lane that are not answered, each compressed."""

ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class ElasticsearchSink(LanedSink[Iterable[Document], State]):
    """Indexes batches of documents. A stream item is ``(lane's key, documents)``.

    Lanes without documents need an item now and then all the same, for instance an empty batch each second
    (``sources.tick``): only then is a snapshot taken of them, and with it their dead letters are written.
    """

    cluster: Cluster
    reject: Callable[[list[tuple[str, bytes, Rejection]]], None]
    """Writes documents (id, body) that Elasticsearch will never take elsewhere, and returns when they are safe."""
    templates: tuple[Template, ...] = ()
    """Put before the first document, unless the cluster has them as new or newer."""
    op_type: OpType = "index"
    sending: Sending = field(default_factory=Sending)
    keep_unanswered: bool = False
    """Whether the flow has a recovery store, where snapshots keep documents that are not answered. Without one a
    snapshot waits for their answers, up to ``ANSWER_SECONDS``."""
    stopping: Callable[[], bool] = lambda: False
    """While this holds, a full buffer takes more: the flow is to end, and its last snapshot to be taken."""
    _senders: Shared[Senders] = field(default_factory=Shared, repr=False)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "_Lane":
        senders = self._senders.open(lambda: Senders(self.cluster, self.templates, self.sending, self.stopping))
        return _Lane(self, senders, int(for_part), resume_state or [])

    def release(self) -> None:
        """A lane is closed."""
        self._senders.release(Senders.close)


class _Lane(StatefulSinkPartition[Iterable[Document], State]):
    def __init__(self, sink: ElasticsearchSink, senders: Senders, lane: int, state: State) -> None:
        self._sink, self._senders, self._lane = sink, senders, lane
        self._chunks = deque(Chunk(packed) for packed in state)
        for chunk in self._chunks:
            senders.enqueue(lane, chunk)

    @override
    def write_batch(self, values: list[Iterable[Document]]) -> None:
        op_type = self._sink.op_type
        operations = [operation(document, op_type) for documents in values for document in documents]
        if operations:
            last = self._chunks[-1] if self._chunks else None
            chunk = self._senders.add(self._lane, last, operations)
            if chunk is not last:
                self._chunks.append(chunk)

    @override
    def snapshot(self) -> State:
        self._senders.check()
        if not self._sink.keep_unanswered and not self._senders.wait_for(self._chunks, ANSWER_SECONDS):
            raise TimeoutError(f"Elasticsearch did not answer for {ANSWER_SECONDS:.0f} s")
        answered = [chunk for chunk in self._chunks if chunk.answered]
        rejected = [(*source(line), why) for chunk in answered for line, why in chunk.rejected]
        if rejected:
            self._sink.reject(rejected)
        self._chunks = deque(chunk for chunk in self._chunks if not chunk.answered)
        return [self._senders.keep(chunk) for chunk in self._chunks]

    @override
    def close(self) -> None:
        self._sink.release()
