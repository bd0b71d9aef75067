"""A lane, which is a partition of the sink: its objects, from their first row until they are visible.

Two rules make each record appear in exactly one object, through any crash. An object's upload is begun only when a
durable snapshot has its key; it is completed only when a durable snapshot has it sealed. Both rest on Bytewax's order:
while it takes a snapshot, the one before is durable.
"""

import logging
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import TYPE_CHECKING, Any

from bytewax.outputs import StatefulSinkPartition
from prometheus_client import Counter, Gauge
from typing_extensions import override

from ..errors import logged
from ..state import encode
from .errors import describe
from .formats import format as formats
from .layout import Place
from .object import Object, part_bytes
from .poison import Rejection, apart
from .state import LaneState, Life, ObjectState
from .upload import May, Stage, Upload
from .uploads import Uploads

if TYPE_CHECKING:
    from .sink import S3Sink

log = logging.getLogger(__name__)

_oldest = Gauge("s3_oldest_row_age_seconds", "Age of the oldest open object", ["lane"])
_undated = Counter("s3_undated_rows", "Rows without a usable time: none, or outside the years 1 to 9999")
_rejected = Counter("s3_rejected_rows", "Rows that the format cannot hold, written as dead letters instead")

_REPORT_SECONDS = 300.0

_CLOSING = 8
"""Objects of a lane that may be closing at a time; with more, the flow waits for their assembly."""


class Lane(StatefulSinkPartition[Sequence[Any], bytes]):
    """One partition of the sink."""

    def __init__(
        self, sink: "S3Sink", uploads: Uploads, assembly: Executor, name: str, state: LaneState | None
    ) -> None:
        self._sink, self._uploads, self._assembly, self._name = sink, uploads, assembly, name
        self._made_by = (sink.bucket, *sink.layout.identity)
        self._part_bytes = part_bytes(sink.rolling.bytes)
        # Drawn with a lane's first object: a flow that lost its recovery store overwrites no object.
        self._series = ""
        self._next = 0
        self._open = OrderedDict[Place, Object]()
        """The one that waited longest for a row first."""
        self._taken = 0
        """Records since the last snapshot, those that were rejected among them."""
        self._errors = list[tuple[str, str]]()
        """Of those that were rejected."""
        self._closed = list[Object]()
        """Closing or sealed, and not complete."""
        # Snapshot 0 is the one that the lane is resumed from; it is durable.
        self._snapshot = 1 if state else 0
        if state:
            self._resume(state)

    @override
    @logged(__name__)
    def write_batch(self, values: list[Sequence[Any]]) -> None:
        self._uploads.backlog.wait_for_room()
        given = [*chain.from_iterable(values)]
        self._taken += len(given)
        for place, records in self._split(given):
            if place[0] is None:
                _undated.inc(len(records))
            self._write(place, records)

    @override
    @logged(__name__)
    def snapshot(self) -> bytes:
        self._snapshot += 1
        self._uploads.backlog.check()
        self._seal_closing()
        self._roll_by_age()
        for known in self._objects():
            if self._durable(known):
                known.upload.allow(May.COMPLETE if known.life is Life.SEALED else May.SEND)
                self._uploads.advance(known.upload)
        self._closed = [known for known in self._closed if known.upload.stage is not Stage.DONE]
        for known in self._objects():
            known.saved = self._snapshot if known.saved is None else known.saved
        state = LaneState(self._series, self._next, tuple(known.save() for known in self._objects()))
        # By now each record is in a block, or rejected.
        errors, taken = self._errors, self._taken
        self._errors, self._taken = [], 0
        self._sink.limit(taken - len(errors), errors)
        return encode(state)

    @override
    def close(self) -> None:
        self._sink.release()

    def _resume(self, state: LaneState) -> None:
        self._series, self._next = state.series, state.next
        for saved in state.objects:
            restored = self._restore(saved)
            if restored.life is not Life.OPEN:
                self._closed.append(restored)
            elif restored.made_by == self._made_by and restored.format is self._sink.format:
                self._open[restored.place] = restored
            else:
                log.info("%s was begun with other settings, and is closed", restored.upload.key)
                restored.close()
                self._closed.append(restored)
        for known in self._objects():
            self._uploads.advance(known.upload)

    def _restore(self, saved: ObjectState) -> Object:
        current = self._sink.format
        saved_format = current if saved.format == current.spec else formats.restore(saved.format)
        return Object.restore(saved_format, self._assembly, self._reject, saved)

    def _roll_by_age(self) -> None:
        now, rolling = self._sink.clock(), self._sink.rolling
        for current in list(self._open.values()):
            if now - current.since >= rolling.seconds:
                self._roll(current, f"it is {now - current.since:.0f} s old")
                continue
            current.advance()
            if now - current.reported >= _REPORT_SECONDS:
                current.reported = now
                self._report(current, now)
        _oldest.labels(self._name).set(max((now - current.since for current in self._open.values()), default=0.0))

    def _durable(self, known: Object) -> bool:
        """Whether a durable snapshot has the object: each one before the last is durable."""
        return known.saved is not None and known.saved < self._snapshot

    def _objects(self) -> list[Object]:
        return [*self._open.values(), *self._closed]

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
            if current.upload.parts > parts and self._durable(current):
                self._uploads.advance(current.upload)
            if current.upload.rows >= rolling.rows:
                self._roll(current, f"it has {current.upload.rows:,} rows")
            elif current.size >= rolling.bytes:
                self._roll(current, f"it has {current.size:,} bytes")

    def _key(self, place: Place) -> str:
        self._series = self._series or secrets.token_hex(4)
        return self._sink.layout.key(place, self._name, f"{self._series}-{self._next:08d}")

    def _begin(self, place: Place, key: str) -> Object:
        sink = self._sink
        if len(self._open) >= sink.rolling.open_objects:
            longest = next(iter(self._open.values()))
            self._roll(longest, f"{len(self._open)} objects are open, and this one has waited longest for a row")
        self._next += 1
        now = sink.clock()
        upload = Upload(key, bucket=sink.bucket, content_type=sink.format.content_type)
        begun = Object(
            sink.format, self._assembly, self._reject, upload, place, now, self._part_bytes, self._made_by, reported=now
        )
        self._open[place] = begun
        return begun

    def _roll(self, current: Object, why: str) -> None:
        del self._open[current.place]
        log.info("sealed %s, %s rows: %s", current.upload.key, current.upload.rows, why)
        current.close()
        self._closed.append(current)
        self._seal_closing()

    def _seal_closing(self) -> None:
        """Seal the closing objects whose last blocks are assembled."""
        closing = [known for known in self._closed if known.life is Life.CLOSING]
        for current in closing:
            current.seal(wait=len(closing) > _CLOSING)
            if current.life is Life.SEALED:
                self._uploads.advance(current.upload)
        self._closed = [known for known in self._closed if known.life is not Life.EMPTY]

    def _reject(self, rejected: list[Rejection]) -> None:
        if rejected:
            _rejected.inc(len(rejected))
            self._sink.reject(rejected)
            self._errors += [(error, reason) for _, error, reason in rejected]

    def _report(self, current: Object, now: float) -> None:
        rolling = self._sink.rolling
        log.info(
            "%s is open for %.0f of %.0f s, with %d of %d rows and %d of %d bytes",
            current.upload.key, now - current.since, rolling.seconds,
            current.upload.rows, rolling.rows, current.size, rolling.bytes,
        )  # fmt: skip
