"""The sink: what Bytewax calls, and what the lanes of a process share."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from ..background import Backlog
from ..errors import Limit, Refused, logged, no_limit
from ..lanes import LanedSink, Shared
from ..state import decode
from .formats.format import Format
from .lane import Lane
from .layout import Layout
from .poison import Rejection
from .requests import Requests
from .state import LaneState
from .uploads import Uploads, buffered


@dataclass(frozen=True)
class Rolling:
    """When an object is sealed."""

    bytes: int = 64 << 20
    """Compressed."""
    rows: int = 10_000_000
    seconds: float = 300.0
    """Since its first row."""
    open_objects: int = 16
    """Of a lane. When one more is needed, the object that has waited longest for a row is sealed."""


class UnwritableError(Refused):
    """A record that no object can hold, in a flow that has no other place for it."""


def stop(rejected: list[Rejection]) -> None:
    """Stop the flow at a record that no object can hold."""
    record, error, reason = rejected[0]
    raise UnwritableError(
        f"{len(rejected)} records cannot be written, the first for {error} ({reason}): {record!r:.200}"
    )


@dataclass(frozen=True)
class S3Sink(LanedSink[Sequence[Any], bytes]):
    """Writes batches of records to objects. A stream item is ``(key, records)``.

    The flow needs a recovery store: without one a crash loses the records in open objects.

    For each open object of a lane up to three parts are in every snapshot. So it is best that all records of a worker
    come with one key (``operators.gather``); a lane without records costs nothing.
    """

    client: Callable[[], Any]
    """Makes boto3's client of S3, with the credentials of the moment."""
    bucket: str
    layout: Layout
    format: Format
    rolling: Rolling = field(default_factory=Rolling)
    reject: Callable[[list[Rejection]], None] = stop
    """Takes records that no object can hold, and returns when they are safe elsewhere."""
    limit: Limit = no_limit
    """Told after records are rejected."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """More arguments of a new object: encryption, storage class, tags."""
    concurrency: int = 4
    """Requests at a time, of one process."""
    max_buffer_bytes: int = 128 << 20
    """Bytes on their way to S3; above it the flow is held back."""
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.time
    _threads: "Shared[_Threads]" = field(default_factory=Shared, repr=False)

    @override
    @logged(__name__)
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> Lane:
        state = decode(LaneState, resume_state) if resume_state is not None else None
        threads = self._threads.open(lambda: _Threads(self))
        return Lane(self, threads.uploads, threads.assembly, for_part, state)

    def release(self) -> None:
        """Take note that a lane is closed."""
        self._threads.release(_Threads.close)


class _Threads:
    """The threads beside the flow, for all lanes of a process."""

    def __init__(self, sink: S3Sink) -> None:
        self.uploads = Uploads(
            Requests(sink.client, sink.bucket, extra=sink.extra),
            ThreadPoolExecutor(sink.concurrency, thread_name_prefix="s3"),
            ThreadPoolExecutor(1, thread_name_prefix="s3-tidying"),
            Backlog("S3", sink.max_buffer_bytes, buffered, sink.stopping),
        )
        self.assembly = ThreadPoolExecutor(1, thread_name_prefix="s3-assembly")

    def close(self) -> None:
        self.uploads.close()
        self.assembly.shutdown(wait=False, cancel_futures=True)
