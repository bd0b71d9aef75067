"""S3 as a Bytewax output: every record in exactly one object, through any crash.

Objects are written by multipart uploads: a part goes up in the background as soon as it is full, and the snapshot
keeps its tag. What is not uploaded yet is in the snapshot itself, compressed. An object becomes visible one snapshot
after the one that sealed it: by then that snapshot is durable, so that a crash neither shows an object whose records
are read again, nor loses one. After a crash sealed objects are completed, and open ones go on where they were.

What takes time is done beside the flow, in threads: one brings records into their final form, others send parts.

Objects are rolled by size, rows and age; age needs no new records, only an item now and then (``sources.tick``).
"""

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from bytewax.outputs import StatefulSinkPartition
from prometheus_client import Gauge
from typing_extensions import override

from sinks.lanes import LanedSink, Shared
from sinks.s3.format import Format
from sinks.s3.layout import Layout, Place
from sinks.s3.objects import Object, Sealed
from sinks.s3.uploads import LostUpload, Refused, Upload, Uploads

__all__ = ["Format", "Layout", "LostUpload", "Refused", "Rolling", "S3Sink"]

log = logging.getLogger(__name__)

_oldest = Gauge("s3_oldest_row_age_seconds", "Age of the oldest object that is not sealed", ["lane"])

_REPORT_SECONDS = 300.0

_CLOSING = 8
"""Objects of a lane whose end is put together in the background; for that of one more the flow waits."""

State = dict[str, Any]
"""The series of a lane's objects, the number of the next, its objects by how far they are: plain values."""


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
class S3Sink(LanedSink[Sequence[Any], State]):
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
    lanes: int = field(default=1, kw_only=True)
    """Partitions of the sink: one a worker is enough, and each costs: it has up to three parts of an open object in
    every snapshot. More can be added to a recovery store, none be taken away."""
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.time
    _threads: "Shared[_Threads]" = field(default_factory=Shared, repr=False)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "Lane":
        return Lane(self, self._threads.open(lambda: _Threads(self)), for_part, resume_state)

    def release(self) -> None:
        """A lane is closed."""
        self._threads.release(_Threads.close)


class _Threads:
    """What works beside the flow, for all lanes of a process."""

    def __init__(self, sink: S3Sink) -> None:
        self.uploads = Uploads(
            sink.client(),
            sink.bucket,
            content_type=sink.format.content_type,
            extra=sink.extra,
            concurrency=sink.concurrency,
            max_buffer_bytes=sink.max_buffer_bytes,
            stopping=sink.stopping,
        )
        self.assembly = ThreadPoolExecutor(1, thread_name_prefix="s3-assembly")

    def close(self) -> None:
        self.uploads.close()
        self.assembly.shutdown(wait=False, cancel_futures=True)


class Lane(StatefulSinkPartition[Sequence[Any], State]):
    """One partition of the sink: its open objects, and the sealed ones that are not visible yet."""

    def __init__(self, sink: S3Sink, threads: _Threads, name: str, state: State | None) -> None:
        self._sink, self._uploads, self._assembly, self._name = sink, threads.uploads, threads.assembly, name
        # Keys of a flow that lost its recovery store are never those of the flow before.
        self._series: str = state["series"] if state else secrets.token_hex(4)
        self._next: int = state["next"] if state else 0
        self._open = OrderedDict[Place, Object]()
        self._closing = list[Object]()
        self._sealed = list[Sealed]()
        for saved in state["open"] if state else ():
            found = self._restore(saved)
            self._open[found.place] = found
        for saved in state["closing"] if state else ():
            self._closing.append(self._restore(saved))
        for saved in state["sealed"] if state else ():
            self._sealed.append(Sealed(Upload.restore(saved), known=True))
        self._complete()

    @override
    def write_batch(self, values: list[Sequence[Any]]) -> None:
        self._uploads.wait_for_room()
        for place, records in self._sink.layout.split([*chain.from_iterable(values)]).items():
            self._write(place, records)

    @override
    def snapshot(self) -> State:
        self._uploads.check()
        self._complete()
        self._close()
        now, rolling = self._sink.clock(), self._sink.rolling
        for found in list(self._open.values()):
            if now - found.since >= rolling.seconds:
                self._seal(found, f"it is {now - found.since:.0f} s old")
                continue
            found.advance()
            if now - found.reported >= _REPORT_SECONDS:
                found.reported = now
                self._report(found, now)
        for found in (*self._open.values(), *self._closing):
            # What was in the snapshot before this one is durable by now.
            found.durable = found.known
            found.known = True
            if found.durable:
                self._send_parts(found.upload)
        for sealed in self._sealed:
            sealed.known = True
        _oldest.labels(self._name).set(max((now - found.since for found in self._open.values()), default=0.0))
        return {
            "series": self._series,
            "next": self._next,
            "open": [found.save() for found in self._open.values()],
            "closing": [found.save() for found in self._closing],
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
        found = Object(self._sink.format, self._assembly, Upload(key), place, since=now, reported=now)
        self._open[place] = found
        return found

    def _restore(self, saved: Mapping[str, Any]) -> Object:
        found = Object.restore(self._sink.format, self._assembly, saved)
        self._send_parts(found.upload)
        return found

    def _write(self, place: Place, records: list[Any]) -> None:
        rolling = self._sink.rolling
        while records:
            found = self._open.get(place) or self._begin(place)
            self._open.move_to_end(place)
            room = max(0, rolling.rows - found.upload.rows)  # the setting may be new
            found.add(records[:room])
            records = records[room:]
            if found.durable:
                self._send_parts(found.upload)
            if found.upload.rows >= rolling.rows:
                self._seal(found, f"it has {found.upload.rows:,} rows")
            elif found.size >= rolling.bytes:
                self._seal(found, f"it has {found.size:,} bytes")

    def _seal(self, found: Object, why: str) -> None:
        del self._open[found.place]
        log.info("sealed %s, %s rows: %s", found.upload.key, found.upload.rows, why)
        self._closing.append(found)
        self._close()

    def _close(self) -> None:
        """Put the ends of objects together that take no more records."""
        closing, self._closing = self._closing, []
        for found in closing:
            if found.seal(wait=len(closing) > _CLOSING):
                self._sealed.append(Sealed(found.upload))
            else:
                self._closing.append(found)

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
