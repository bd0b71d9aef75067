"""Objects on their way: one that takes records, and one that is sealed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from sinks.s3.format import Format
from sinks.s3.layout import Place
from sinks.s3.uploads import Part, Upload

PART_BYTES = 5 << 20
"""S3 takes no smaller part, but for the last."""

_BLOCK_ROWS = 1_000
"""So many records become a block as soon as they are there: records that wait are spread over more memory than the
processor's caches hold, and make all of the flow slower."""
_GROUP_BYTES = 4 << 20
"""So many bytes of blocks are assembled at once: a row group of Parquet."""
_SMALL_BYTES = 256 << 10
"""So many bytes of blocks are assembled within milliseconds."""
_ASSEMBLY_SECONDS = 60.0


@dataclass
class Sealed:
    """An object that takes no more records."""

    upload: Upload
    known: bool = False
    """It is in a snapshot, and with the next that one is durable."""
    completing: bool = False


@dataclass
class _Group:
    """Blocks that are being assembled."""

    blocks: list[bytes]
    assembled: "Future[tuple[bytes, bytes]]"


@dataclass
class Object:
    """An object that takes records.

    They become blocks at once, which snapshots hold; groups of blocks are assembled in a thread, one of an object at a
    time, and then blocks no longer.
    """

    format: Format
    threads: Executor
    """Assemble its blocks."""
    upload: Upload
    place: Place
    since: float
    """When its first record came, by the clock; seconds since 1970."""
    reported: float = 0.0
    known: bool = False
    """It is in a snapshot."""
    durable: bool = False
    """That snapshot is durable. Only then is its upload begun: the recovery store has the key of each there may be."""
    _rows: list[Any] = field(default_factory=list)
    """Since the last block."""
    _tail: bytes | None = None
    """The block of these rows, for snapshots; None when it is to be made."""
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
            self._make_block()
        self.advance()

    def advance(self) -> None:
        """Take what is assembled, and have assembled what is enough for it."""
        enough = _size(self._blocks) >= _GROUP_BYTES
        self._take(wait=enough)
        if enough:
            self._assemble()
        if _size(self._ready) >= PART_BYTES:
            data = b"".join(self._ready)
            self.upload.parts.append(Part(len(self.upload.parts) + 1, len(data), data))
            self._ready = []

    def seal(self, *, wait: bool = False) -> bool:
        """Take no more records; whether all is in place: what is in no part is then the object's end."""
        self._make_block()
        self._take(wait=wait)
        if self._blocks and not self._group:
            small = _size(self._blocks) <= _SMALL_BYTES
            self._assemble()
            self._take(wait=wait or small)
        if self._group:
            return False
        self.upload.last = b"".join([*self._ready, self.format.close(self._memos)])
        return True

    def save(self) -> dict[str, Any]:
        """The object for a snapshot, as plain values."""
        if self._tail is None and self._rows:
            self._tail = self.format.block(self._rows)
        return {
            "upload": self.upload.save(),
            "place": self.place,
            "since": self.since,
            "blocks": [*self._waiting, self._tail] if self._tail else self._waiting,
            "ready": [*self._ready],
            "memos": [*self._memos],
            "position": self._position,
        }

    @classmethod
    def restore(cls, format: Format, threads: Executor, saved: Mapping[str, Any]) -> "Object":  # noqa: A002
        """The object of a snapshot, which is durable."""
        return cls(
            format,
            threads,
            Upload.restore(saved["upload"]),
            tuple(saved["place"]),
            saved["since"],
            reported=saved["since"],
            known=True,
            durable=True,
            _blocks=[*saved["blocks"]],
            _ready=[*saved["ready"]],
            _memos=[*saved["memos"]],
            _position=saved["position"],
        )

    @property
    def _waiting(self) -> list[bytes]:
        """All blocks that are not assembled."""
        return [*(self._group.blocks if self._group else ()), *self._blocks]

    def _make_block(self) -> None:
        if self._rows:
            self._blocks.append(self._tail or self.format.block(self._rows))
            self._rows, self._tail = [], None

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


def _size(pieces: Sequence[bytes]) -> int:
    return sum(map(len, pieces))
