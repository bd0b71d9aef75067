"""S3 as a Bytewax output: every record in exactly one object, through any crash.

Objects are written by multipart uploads: a part goes up in the background as soon as it is full, and the snapshot
keeps its tag. What is not uploaded yet is in the snapshot itself, compressed. An object becomes visible one snapshot
after the one that sealed it: by then that snapshot is durable, so that a crash neither shows an object whose records
are read again, nor loses one. After a crash sealed objects are completed, and open ones go on where they were.

Objects are rolled by size, rows and age; age needs no new records, only an item now and then (``sources.tick``).
"""

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from zlib import adler32

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from prometheus_client import Gauge
from typing_extensions import override

from sinks.s3.format import Format
from sinks.s3.layout import Layout
from sinks.s3.objects import Object, Place, Sealed
from sinks.s3.uploads import LostUpload, Refused, Upload, Uploads

__all__ = ["Format", "Layout", "LostUpload", "Refused", "Rolling", "S3Sink"]

log = logging.getLogger(__name__)

_oldest = Gauge("s3_oldest_row_age_seconds", "Age of the oldest object that is not sealed", ["lane"])

_REPORT_SECONDS = 300.0

State = dict[str, Any]
"""The series of a lane's objects, the number of the next, its open and its sealed objects: plain values."""


@dataclass(frozen=True)
class Rolling:
    """When an object is sealed."""

    bytes: int = 64 << 20
    """Compressed."""
    rows: int = 10_000_000
    seconds: float = 300.0
    """Since its first row."""
    open_objects: int = 16
    """Of a lane; when one more is needed, the one is sealed that has waited longest for a row."""


@dataclass(frozen=True)
class S3Sink(FixedPartitionedSink[Sequence[Any], State]):
    """Writes batches of records to objects. A stream item is ``(lane's key, records)``.

    The flow needs a recovery store: without one a crash loses what is in open objects.
    """

    client: Callable[[], Any]
    """Makes boto3's client of S3."""
    bucket: str
    layout: Layout
    format: Format
    rolling: Rolling = field(default_factory=Rolling)
    extra: Mapping[str, str] = field(default_factory=dict)
    """More arguments of a new object: encryption, storage class, tags."""
    concurrency: int = 4
    """Requests at a time, of one process."""
    max_buffer_bytes: int = 128 << 20
    """Bytes on their way to S3; above it the flow is held back."""
    lanes: int = 2
    """Partitions of the sink: one a worker is enough. Each keeps up to two parts of an open object in its snapshot."""
    lane_of: Callable[[str], int] = lambda key: adler32(key.encode())
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.time
    _open: "list[_Shared]" = field(default_factory=list, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @override
    def list_parts(self) -> list[str]:
        return [f"{lane:04d}" for lane in range(self.lanes)]

    @override
    def part_fn(self, item_key: str) -> int:
        return self.lane_of(item_key)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "Lane":
        with self._lock:
            if not self._open:
                uploads = Uploads(
                    self.client(),
                    self.bucket,
                    content_type=self.format.content_type,
                    extra=self.extra,
                    concurrency=self.concurrency,
                    max_buffer_bytes=self.max_buffer_bytes,
                    stopping=self.stopping,
                )
                self._open.append(_Shared(uploads))
            self._open[0].lanes += 1
        return Lane(self, self._open[0].uploads, for_part, resume_state)

    def release(self) -> None:
        """A lane is closed; with the last one the threads end."""
        with self._lock:
            shared = self._open[0]
            shared.lanes -= 1
            if not shared.lanes:
                shared.uploads.close()
                self._open.clear()


@dataclass
class _Shared:
    uploads: Uploads
    lanes: int = 0


class Lane(StatefulSinkPartition[Sequence[Any], State]):
    """One partition of the sink: its open objects, and the sealed ones that are not visible yet."""

    def __init__(self, sink: S3Sink, uploads: Uploads, name: str, state: State | None) -> None:
        self._sink, self._uploads, self._name = sink, uploads, name
        # Keys of a flow that lost its recovery store are never those of the flow before.
        self._series: str = state["series"] if state else secrets.token_hex(4)
        self._next: int = state["next"] if state else 0
        self._open = OrderedDict[Place, Object]()
        self._sealed = list[Sealed]()
        for saved in state["open"] if state else ():
            found = Object.restore(sink.format, saved)
            self._open[found.place] = found
            self._send_parts(found.upload)
        for saved in state["sealed"] if state else ():
            self._sealed.append(Sealed(Upload.restore(saved), known=True))
        self._complete()

    @override
    def write_batch(self, values: list[Sequence[Any]]) -> None:
        self._uploads.wait_for_room()
        rolling, place_of = self._sink.rolling, self._sink.layout.place
        newest = None
        for records in values:
            for record in records:
                place = place_of(record)
                found = self._open.get(place) or self._begin(place)
                if found is not newest:
                    self._open.move_to_end(place)
                    newest = found
                found.add(record)
                if found.upload.rows >= rolling.rows:
                    self._seal(found, f"it has {found.upload.rows:,} rows")
                elif found.pack():
                    if found.durable:
                        self._send_parts(found.upload)
                    if found.size >= rolling.bytes:
                        self._seal(found, f"it has {found.size:,} bytes")

    @override
    def snapshot(self) -> State:
        self._uploads.check()
        self._complete()
        now, rolling = self._sink.clock(), self._sink.rolling
        for found in list(self._open.values()):
            if now - found.since >= rolling.seconds:
                self._seal(found, f"it is {now - found.since:.0f} s old")
                continue
            # What was in the snapshot before this one is durable by now.
            if found.known and not found.durable:
                found.durable = True
                self._send_parts(found.upload)
            found.known = True
            if now - found.reported >= _REPORT_SECONDS:
                found.reported = now
                self._report(found, now)
        for sealed in self._sealed:
            sealed.known = True
        _oldest.labels(self._name).set(max((now - found.since for found in self._open.values()), default=0.0))
        return {
            "series": self._series,
            "next": self._next,
            "open": [found.save() for found in self._open.values()],
            "sealed": [sealed.upload.save() for sealed in self._sealed],
        }

    @override
    def close(self) -> None:
        self._sink.release()

    def _begin(self, place: Place) -> Object:
        if len(self._open) >= self._sink.rolling.open_objects:
            longest = next(iter(self._open.values()))
            self._seal(longest, f"{len(self._open)} objects are open, and this has waited longest for a row")
        key = self._sink.layout.key(place, self._name, f"{self._series}-{self._next:08d}")
        self._next += 1
        now = self._sink.clock()
        found = self._open[place] = Object(self._sink.format, Upload(key), place, since=now, reported=now)
        return found

    def _seal(self, found: Object, why: str) -> None:
        del self._open[found.place]
        found.seal()
        self._sealed.append(Sealed(found.upload))
        log.info("sealed %s, %s rows, %s bytes: %s", found.upload.key, found.upload.rows, found.upload.size, why)

    def _complete(self) -> None:
        """Complete what was sealed before the last snapshot, which is durable; forget what is completed."""
        for sealed in self._sealed:
            if sealed.known and not sealed.completing:
                sealed.completing = True
                self._send_parts(sealed.upload)
                self._uploads.complete(sealed.upload)
        self._sealed = [sealed for sealed in self._sealed if not sealed.upload.completed]

    def _send_parts(self, upload: Upload) -> None:
        for part in upload.parts:
            if not part.sent:
                part.sent = True
                self._uploads.send_part(upload, part)

    def _report(self, found: Object, now: float) -> None:
        rolling = self._sink.rolling
        log.info(
            "%s is open for %.0f of %.0f s, with %d of %d rows and %d of %d bytes",
            found.upload.key, now - found.since, rolling.seconds,
            found.upload.rows, rolling.rows, found.size, rolling.bytes,
        )  # fmt: skip
