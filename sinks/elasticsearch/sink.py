"""The sink: what Bytewax calls."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from typing_extensions import override

from ..errors import Limit, logged, no_limit
from ..lanes import LanedSink, Shared
from ..state import decode
from .bulk import Document, OpType, Rejected
from .cluster import Cluster, Template
from .lane import Lane
from .senders import Senders, Sending
from .state import LaneState


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
    limit: Limit = no_limit
    """Told before documents are rejected: where it raises, none is lost."""
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
