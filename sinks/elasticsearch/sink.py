"""The sink: what Bytewax calls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from ..errors import logged
from ..lanes import LanedSink, Shared
from ..state import decode
from .bulk import Document, OpType, Rejected
from .client import Cluster, Template
from .lane import Lane
from .senders import Senders, Sending
from .state import LaneState


class Limit(Protocol):
    """How many documents may be rejected before something else than the documents is taken to be at fault."""

    def passed(self, count: int) -> None:
        """Count documents that were taken."""

    def failed(self, errors: Sequence[tuple[str, str]]) -> None:
        """Count documents that are to be rejected, by their errors and reasons; raise if they are too many."""


@dataclass(frozen=True)
class ElasticsearchSink(LanedSink[Iterable[Document], bytes]):
    """Indexes batches of documents. A stream item is ``(lane's key, documents)``.

    Each lane needs an item in each epoch, be it an empty batch (``sources.tick``): dead letters are written in
    snapshots, and Bytewax takes none of a lane without items.
    """

    cluster: Cluster
    reject: Callable[[list[Rejected]], None]
    """Writes documents that Elasticsearch will never take elsewhere, and returns when they are safe."""
    templates: tuple[Template, ...] = ()
    """Put before the first document, unless the cluster has the same version or a newer one."""
    op_type: OpType = "index"
    sending: Sending = field(default_factory=Sending)
    keep_unanswered: bool = False
    """Whether the flow has a recovery store, where snapshots keep documents that are not answered. Without one a
    snapshot waits for their answers, 120 s at most."""
    limit: Limit | None = None
    """Asked before documents are rejected; the error that it raises stops the flow, and no document is lost."""
    stopping: Callable[[], bool] = lambda: False
    """While this holds, a full buffer takes more: the flow is to end, and its last snapshot to be taken."""
    _senders: Shared[Senders] = field(default_factory=Shared, repr=False)

    @override
    @logged(__name__)
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> Lane:
        chunks = decode(LaneState, resume_state).chunks if resume_state is not None else ()
        senders = self._senders.open(lambda: Senders(self.cluster, self.templates, self.sending, self.stopping))
        return Lane(self, senders, int(for_part), chunks)

    def release(self) -> None:
        """Take note that a lane is closed."""
        self._senders.release(Senders.close)
