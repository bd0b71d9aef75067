"""A lane: the documents that one partition of the sink was given and that Elasticsearch has not answered."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from bytewax.outputs import StatefulSinkPartition
from typing_extensions import override

from ..errors import SinkError, logged
from ..state import encode
from .buffer import Chunk, resumed
from .bulk import Document, Rejected, operations, source
from .senders import Senders, outcomes
from .state import LaneState

if TYPE_CHECKING:
    from .sink import ElasticsearchSink

_ANSWER_SECONDS = 120.0


class Lane(StatefulSinkPartition[Iterable[Document], bytes]):
    """One partition of the sink."""

    def __init__(self, sink: "ElasticsearchSink", senders: Senders, lane: int, chunks: Sequence[bytes]) -> None:
        self._sink, self._senders, self._lane = sink, senders, lane
        self._rejected = list[Rejected]()
        """Documents that cannot be sent: they are rejected with the next snapshot."""
        self._chunks = deque(resumed(packed, sink.op_type) for packed in chunks)
        for chunk in self._chunks:
            senders.enqueue(lane, chunk)

    @override
    @logged(__name__)
    def write_batch(self, values: list[Iterable[Document]]) -> None:
        made, rejected = operations([*chain.from_iterable(values)], self._sink.op_type)
        self._rejected += rejected
        if made:
            last = self._chunks[-1] if self._chunks else None
            chunk = self._senders.add(self._lane, last, made)
            if chunk is not last:
                self._chunks.append(chunk)

    @override
    @logged(__name__)
    def snapshot(self) -> bytes:
        self._senders.backlog.check()
        if not self._sink.keep_unanswered and not self._senders.wait_for(self._chunks, _ANSWER_SECONDS):
            raise SinkError(f"Elasticsearch did not answer for {_ANSWER_SECONDS:.0f} s")
        answered, waiting = list[Chunk](), deque[Chunk]()
        for chunk in self._chunks:  # a thread may answer another at any time: it is asked once
            (answered if chunk.answered else waiting).append(chunk)
        refused = [Rejected(*source(line), *why[1:]) for chunk in answered for line, why in chunk.rejected]
        self._decide(sum(chunk.documents for chunk in answered) - len(refused), refused + self._rejected)
        self._rejected = []
        self._chunks = waiting
        return encode(LaneState(tuple(self._senders.keep(chunk) for chunk in self._chunks)))

    @override
    def close(self) -> None:
        self._sink.release()

    def _decide(self, passed: int, rejected: list[Rejected]) -> None:
        self._sink.limit(passed, [(document.error, document.reason) for document in rejected])
        if rejected:
            self._sink.reject(rejected)
            outcomes.labels("rejected").inc(len(rejected))
