"""An object that takes records: from rows to the parts of its upload."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from sinks.s3.format import Format
from sinks.s3.layout import Place
from sinks.s3.poison import Rejection, apart
from sinks.s3.upload import Upload

_LEAST_PART_BYTES = 5 << 20
"""S3 takes no smaller part, but for the last."""
_MOST_PARTS = 9_000
"""S3 takes 10,000; an object may grow over its limit by what one batch of records holds."""

_BLOCK_ROWS = 1_000
"""So many records become a block as soon as they are there: records that wait are spread over more memory than the
processor's caches hold, and make all of the flow slower."""
_GROUP_BYTES = 4 << 20
"""So many bytes of blocks are assembled at once: a row group of Parquet."""
_SMALL_BYTES = 256 << 10
"""So many bytes of blocks are assembled within milliseconds."""
_ASSEMBLY_SECONDS = 60.0


def part_bytes(object_bytes: int) -> int:
    """The size of the parts of objects of such a size: S3's smallest, so long as 10,000 of them are enough."""
    least = -(-object_bytes // _MOST_PARTS)
    return _LEAST_PART_BYTES if least <= _LEAST_PART_BYTES else -(-least >> 20) << 20


@dataclass
class _Group:
    """Blocks that are being assembled."""

    blocks: list[bytes]
    assembled: "Future[tuple[bytes, bytes]]"


@dataclass
class Object:
    """An object that takes records.

    They become blocks at once, which snapshots hold; groups of blocks are assembled in a thread, one of an object at a
    time, and then blocks no longer. What is assembled is cut into parts of one size: Cloudflare R2 takes no others.
    """

    format: Format
    threads: Executor
    """Assemble its blocks."""
    reject: Callable[[list[Rejection]], None]
    """Takes records that the format cannot hold."""
    upload: Upload
    place: Place
    since: float
    """When its first record came, by the clock; seconds since 1970."""
    part_bytes: int
    made_by: tuple[Any, ...]
    """Of the settings, those that objects cannot change."""
    reported: float = 0.0
    saved: int | None = None
    """The number of the first snapshot that has it. Only when that is durable is its upload begun: the recovery store
    has the key of each upload there may be."""
    _rows: list[Any] = field(default_factory=list)
    """Since the last block."""
    _tail: list[bytes] | None = None
    """The blocks of these rows, for snapshots; None when they are to be made."""
    _blocks: list[bytes] = field(default_factory=list)
    _group: _Group | None = None
    """What was in blocks before these."""
    _ready: list[bytes] = field(default_factory=list)
    """Assembled, at its final place, and in no part yet."""
    _memos: list[bytes] = field(default_factory=list)
    _position: int = 0
    """The end of what is assembled."""

    @property
    def size(self) -> int:
        """In bytes, without the rows that are in no block yet."""
        return self._position + _size(self._waiting)

    def add(self, records: Sequence[Any]) -> None:
        """Take records; bring what is enough into a block, into place, into a part.

        Raises:
            TimeoutError: the group before was not assembled in a minute.
        """
        self._rows += records
        self._tail = None
        self.upload.rows += len(records)
        if len(self._rows) >= _BLOCK_ROWS:
            self._make_blocks()
        self.advance()

    def advance(self) -> None:
        """Take what is assembled, and have assembled what is enough for it."""
        enough = _size(self._blocks) >= _GROUP_BYTES
        self._take(wait=enough)
        if enough:
            self._assemble()
        self._cut()

    def seal(self, *, wait: bool = False) -> bool:
        """Take no more records; whether all is in place: what is in no part is then the object's end."""
        self._make_blocks()
        self._take(wait=wait)
        if self._blocks and not self._group:
            small = _size(self._blocks) <= _SMALL_BYTES
            self._assemble()
            self._take(wait=wait or small)
        if self._group:
            return False
        if self._position:
            self._ready.append(self.format.close(self._memos))
            self._cut()
            self.upload.seal(b"".join(self._ready))
        return True

    def save(self) -> dict[str, Any]:
        """The object for a snapshot, as plain values."""
        self._encode()
        return {
            "upload": self.upload.save(),
            "place": self.place,
            "since": self.since,
            "part_bytes": self.part_bytes,
            "format": self.format.spec,
            "made_by": self.made_by,
            "blocks": [*self._waiting, *(self._tail or ())],
            "ready": [*self._ready],
            "memos": [*self._memos],
            "position": self._position,
        }

    @classmethod
    def restore(
        cls,
        format: Format,  # noqa: A002
        threads: Executor,
        reject: Callable[[list[Rejection]], None],
        saved: Mapping[str, Any],
    ) -> "Object":
        """The object of a snapshot, which is durable."""
        return cls(
            format,
            threads,
            reject,
            Upload.restore(saved["upload"]),
            tuple(saved["place"]),
            saved["since"],
            saved["part_bytes"],
            tuple(saved["made_by"]),
            reported=saved["since"],
            saved=0,
            _blocks=[*saved["blocks"]],
            _ready=[*saved["ready"]],
            _memos=[*saved["memos"]],
            _position=saved["position"],
        )

    @property
    def _waiting(self) -> list[bytes]:
        """All blocks that are not assembled."""
        return [*(self._group.blocks if self._group else ()), *self._blocks]

    def _make_blocks(self) -> None:
        self._encode()
        self._blocks += self._tail or ()
        self._rows, self._tail = [], None

    def _encode(self) -> None:
        """Make the tail; the rows that no block can hold are rows no longer."""
        if self._tail is None and self._rows:
            made, rejected = apart(self.format.block, self._rows)
            if rejected:
                self.reject(rejected)
                self.upload.rows -= len(rejected)
                self._rows = [row for rows, _ in made for row in rows]
            self._tail = [block for _, block in made]

    def _assemble(self) -> None:
        assembled = self.threads.submit(self.format.assemble, self._blocks, self._position)
        self._group, self._blocks = _Group(self._blocks, assembled), []

    def _take(self, *, wait: bool) -> None:
        if self._group and (wait or self._group.assembled.done()):
            data, memo = self._group.assembled.result(_ASSEMBLY_SECONDS)
            self._group = None
            self._position += len(data)
            self._ready.append(data)
            if memo:
                self._memos.append(memo)

    def _cut(self) -> None:
        if _size(self._ready) < self.part_bytes:
            return
        data = memoryview(b"".join(self._ready))
        end = len(data) - len(data) % self.part_bytes
        for at in range(0, end, self.part_bytes):
            self.upload.add(bytes(data[at : at + self.part_bytes]))
        self._ready = [bytes(data[end:])] if end < len(data) else []


def _size(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))
