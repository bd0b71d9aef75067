"""A lane, which is a partition of the sink: its objects, from their first row until they are visible.

Two rules make each record appear in exactly one object, through any crash. Both rest on Bytewax's order: while it takes
a snapshot, the one before is durable. An object's upload is begun only when a durable snapshot has its key; it is
completed only when a durable snapshot has it sealed.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from bytewax.outputs import StatefulSinkPartition
from prometheus_client import Counter, Gauge
from typing_extensions import override

from sinks.s3 import format as formats
from sinks.s3 import state as states
from sinks.s3.errors import PLAIN, describe
from sinks.s3.layout import Place
from sinks.s3.objects import Object, part_bytes
from sinks.s3.poison import Rejection, apart
from sinks.s3.state import State
from sinks.s3.upload import May, Stage, Upload
from sinks.s3.uploads import Uploads

if TYPE_CHECKING:
    from sinks.s3.sink import S3Sink

log = logging.getLogger(__name__)

_oldest = Gauge("s3_oldest_row_age_seconds", "Age of the oldest object that is not sealed", ["lane"])
_undated = Counter("s3_undated_rows", "Rows whose time is unknown: -1, or beyond the years 1 to 9999")
_rejected = Counter("s3_rejected_rows", "Rows that no object can hold, handed to the dead letters")

_REPORT_SECONDS = 300.0

_CLOSING = 8
"""Objects of a lane whose end is put together in the background; for that of one more the flow waits."""


@dataclass
class _Sealed:
    """An object that takes no more records."""

    upload: Upload
    saved: int | None = None
    """The number of the first snapshot that has it sealed."""


class Lane(StatefulSinkPartition[Sequence[Any], State]):
    """One partition of the sink."""

    def __init__(self, sink: "S3Sink", uploads: Uploads, assembly: Executor, name: str, state: State | None) -> None:
        self._sink, self._uploads, self._assembly, self._name = sink, uploads, assembly, name
        self._made_by = (sink.bucket, *sink.layout.identity)
        self._part_bytes = part_bytes(sink.rolling.bytes)
        # Drawn with a lane's first object: keys of a flow that lost its recovery store are never those of before.
        self._series = ""
        self._next = 0
        self._open = OrderedDict[Place, Object]()
        self._closing = list[Object]()
        self._sealed = list[_Sealed]()
        # Snapshot 0 is the one that the lane is resumed from; it is durable.
        self._snapshot = 1 if state else 0
        with self._told():
            self._resume(state)

    @override
    def write_batch(self, values: list[Sequence[Any]]) -> None:
        with self._told():
            self._uploads.wait_for_room()
            for place, records in self._split([*chain.from_iterable(values)]):
                if place[0] is None:
                    _undated.inc(len(records))
                self._write(place, records)

    @override
    def snapshot(self) -> State:
        with self._told():
            return self._take_snapshot()

    @override
    def close(self) -> None:
        self._sink.release()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Log the cause of a failure in a line: of several processes Bytewax loses an exception's text."""
        try:
            yield
        except Exception as error:
            if error is not self._uploads.failure:  # which is told already
                log.error("%s", error, exc_info=None if isinstance(error, PLAIN) else error)
            raise

    def _resume(self, state: State | None) -> None:
        if state is None:
            return
        now = states.current(
            state,
            bucket=self._sink.bucket,
            content_type=self._sink.format.content_type,
            format=self._sink.format.spec,
            made_by=self._made_by,
            part_bytes=self._part_bytes,
        )
        self._series, self._next = now["series"], now["next"]
        for saved in now["open"]:
            restored = self._restore(saved)
            if restored.made_by == self._made_by and restored.format is self._sink.format:
                self._open[restored.place] = restored
            else:
                log.info("%s was begun with other settings, and is closed", restored.upload.key)
                self._closing.append(restored)
        self._closing += [self._restore(saved) for saved in now["closing"]]
        self._sealed += [_Sealed(Upload.restore(saved), saved=0) for saved in now["sealed"]]
        for known in self._objects():
            self._uploads.advance(known.upload)

    def _restore(self, saved: Any) -> Object:
        current = self._sink.format
        spec = tuple(saved["format"])
        return Object.restore(
            current if spec == current.spec else formats.restore(spec), self._assembly, self._reject, saved
        )

    def _take_snapshot(self) -> State:
        self._snapshot += 1
        self._uploads.check()
        self._complete()
        self._close()
        now, rolling = self._sink.clock(), self._sink.rolling
        for current in list(self._open.values()):
            if now - current.since >= rolling.seconds:
                self._seal(current, f"it is {now - current.since:.0f} s old")
                continue
            current.advance()
            if now - current.reported >= _REPORT_SECONDS:
                current.reported = now
                self._report(current, now)
        self._send_parts()
        for known in self._objects():
            known.saved = self._snapshot if known.saved is None else known.saved
        _oldest.labels(self._name).set(max((now - current.since for current in self._open.values()), default=0.0))
        return {
            "version": states.VERSION,
            "series": self._series,
            "next": self._next,
            "open": [current.save() for current in self._open.values()],
            "closing": [current.save() for current in self._closing],
            "sealed": [sealed.upload.save() for sealed in self._sealed],
        }

    def _durable(self, saved: int | None) -> bool:
        """Whether a snapshot is durable: all before the last one are, since that was taken."""
        return saved is not None and saved < self._snapshot

    def _objects(self) -> list[Object | _Sealed]:
        return [*self._open.values(), *self._closing, *self._sealed]

    def _split(self, records: list[Any]) -> list[tuple[Place, Sequence[Any]]]:
        layout = self._sink.layout
        made, rejected = apart(layout.split, records)
        self._reject(rejected)
        return [place for _, places in made for place in places.items()]

    def _write(self, place: Place, records: Sequence[Any]) -> None:
        rolling = self._sink.rolling
        while records:
            current = self._open.get(place)
            if current is None:
                try:
                    key = self._key(place)
                except Exception as error:
                    self._reject([(record, type(error).__name__, describe(error)) for record in records])
                    return
                current = self._begin(place, key)
            self._open.move_to_end(place)
            room = max(0, rolling.rows - current.upload.rows)  # the setting may be new
            parts = current.upload.parts
            current.add(records[:room])
            records = records[room:]
            if current.upload.parts > parts and self._durable(current.saved):
                self._uploads.advance(current.upload)
            if current.upload.rows >= rolling.rows:
                self._seal(current, f"it has {current.upload.rows:,} rows")
            elif current.size >= rolling.bytes:
                self._seal(current, f"it has {current.size:,} bytes")

    def _key(self, place: Place) -> str:
        self._series = self._series or secrets.token_hex(4)
        return self._sink.layout.key(place, self._name, f"{self._series}-{self._next:08d}")

    def _begin(self, place: Place, key: str) -> Object:
        sink = self._sink
        if len(self._open) >= sink.rolling.open_objects:
            longest = next(iter(self._open.values()))
            self._seal(longest, f"{len(self._open)} objects are open, and this has waited longest for a row")
        self._next += 1
        now = sink.clock()
        upload = Upload(key, bucket=sink.bucket, content_type=sink.format.content_type)
        begun = Object(
            sink.format, self._assembly, self._reject, upload, place, now, self._part_bytes, self._made_by, reported=now
        )
        self._open[place] = begun
        return begun

    def _seal(self, current: Object, why: str) -> None:
        del self._open[current.place]
        log.info("sealed %s, %s rows: %s", current.upload.key, current.upload.rows, why)
        self._closing.append(current)
        self._close()

    def _close(self) -> None:
        """Put the ends of objects together that take no more records."""
        closing, self._closing = self._closing, []
        for current in closing:
            if not current.seal(wait=len(closing) > _CLOSING):
                self._closing.append(current)
            elif current.upload.sealed:  # not if all its rows were rejected
                self._sealed.append(_Sealed(current.upload))
                self._uploads.advance(current.upload)

    def _send_parts(self) -> None:
        for current in (*self._open.values(), *self._closing):
            if self._durable(current.saved):
                current.upload.allow(May.SEND)
                self._uploads.advance(current.upload)

    def _complete(self) -> None:
        for sealed in self._sealed:
            if self._durable(sealed.saved):
                sealed.upload.allow(May.COMPLETE)
                self._uploads.advance(sealed.upload)
        self._sealed = [sealed for sealed in self._sealed if sealed.upload.stage is not Stage.DONE]

    def _reject(self, rejected: list[Rejection]) -> None:
        if rejected:
            _rejected.inc(len(rejected))
            self._sink.reject(rejected)

    def _report(self, current: Object, now: float) -> None:
        rolling = self._sink.rolling
        log.info(
            "%s is open for %.0f of %.0f s, with %d of %d rows and %d of %d bytes",
            current.upload.key, now - current.since, rolling.seconds,
            current.upload.rows, rolling.rows, current.size, rolling.bytes,
        )  # fmt: skip
