"""An object of a lane: from rows to the parts of its upload."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from .formats.format import Format
from .layout import Place
from .poison import Rejection, apart
from .state import Life, ObjectState
from .upload import Upload

_LEAST_PART_BYTES = 5 << 20
"""S3 takes no smaller part, except the last one."""
_MOST_PARTS = 9_000
"""S3 takes 10,000; an object may grow over its limit by one batch of records."""

_BLOCK_ROWS = 1_000
"""The records of a block. Records that wait for more would leave the processor's caches, and slow the flow down."""
_GROUP_BYTES = 4 << 20
"""Blocks that are assembled at once, in bytes: a row group of Parquet."""
_SMALL_BYTES = 256 << 10
"""Blocks of fewer bytes are assembled within milliseconds."""
_ASSEMBLY_SECONDS = 60.0


def part_bytes(object_bytes: int) -> int:
    """The size of the parts of objects of such a size: S3's smallest, unless that makes over 10,000 parts."""
    least = -(-object_bytes // _MOST_PARTS)
    return _LEAST_PART_BYTES if least <= _LEAST_PART_BYTES else -(-least >> 20) << 20


_MOVES = {Life.OPEN: {Life.CLOSING}, Life.CLOSING: {Life.SEALED, Life.EMPTY}}


@dataclass
class _Group:
    """Blocks that are being assembled."""

    blocks: list[bytes]
    assembled: "Future[tuple[bytes, bytes]]"


@dataclass
class Object:
    """An object of a lane.

    Its records become blocks at once, which snapshots hold. A thread assembles groups of blocks, one group of an object
    at a time. Assembled bytes are cut into parts of one size: Cloudflare R2 takes no others.
    """

    format: Format
    threads: Executor
    """Assemble its blocks."""
    reject: Callable[[list[Rejection]], None]
    """Takes records that the format cannot hold."""
    upload: Upload
    place: Place
    since: float
    """The time of its first record by the clock, in seconds since 1970."""
    part_bytes: int
    made_by: tuple[str, ...]
    """The settings that an object cannot change."""
    reported: float = 0.0
    life: Life = Life.OPEN
    saved: int | None = None
    """The number of the first snapshot that has it, from SEALED on: that has it sealed."""
    _rows: list[Any] = field(default_factory=list)
    """Rows since the last block."""
    _tail: list[bytes] | None = None
    """The blocks of these rows, for snapshots; None if they are not made yet."""
    _blocks: list[bytes] = field(default_factory=list)
    _group: _Group | None = None
    """The blocks before these."""
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
        """Take records.

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
        """Take the group that is assembled, and have the next one assembled if it is large enough."""
        enough = _size(self._blocks) >= _GROUP_BYTES
        self._take(wait=enough)
        if enough:
            self._assemble()
        self._cut()

    def close(self) -> None:
        """Take no more records: the object is CLOSING."""
        self._move(Life.CLOSING)
        self._make_blocks()

    def seal(self, *, wait: bool) -> None:
        """Once the last block is assembled, the object is SEALED or EMPTY.

        Args:
            wait: for the assembly, at most a minute.
        """
        self._take(wait=wait)
        if self._blocks and not self._group:
            small = _size(self._blocks) <= _SMALL_BYTES
            self._assemble()
            self._take(wait=wait or small)
        if self._group:
            return
        if not self._position:
            self._move(Life.EMPTY)
            return
        self._ready.append(self.format.close(self._memos))
        self._cut()
        self.upload.seal(b"".join(self._ready))
        self._ready, self._memos, self.saved = [], [], None
        self._move(Life.SEALED)

    def save(self) -> ObjectState:
        """The object for a snapshot."""
        self._encode()
        return ObjectState(
            Life.VISIBLE if self.upload.visible else self.life,
            self.upload.save(),
            self.place,
            self.since,
            self.part_bytes,
            self.format.spec,
            self.made_by,
            blocks=(*self._waiting, *(self._tail or ())),
            ready=tuple(self._ready),
            memos=tuple(self._memos),
            position=self._position,
        )

    @classmethod
    def restore(
        cls,
        format: Format,  # noqa: A002
        threads: Executor,
        reject: Callable[[list[Rejection]], None],
        saved: ObjectState,
    ) -> "Object":
        """The object of a durable snapshot."""
        visible = saved.life is Life.VISIBLE
        life = Life.SEALED if visible else saved.life
        return cls(
            format,
            threads,
            reject,
            Upload.restore(saved.upload, sealed=life is Life.SEALED, visible=visible),
            saved.place,
            saved.since,
            saved.part_bytes,
            saved.made_by,
            reported=saved.since,
            life=life,
            saved=0,
            _blocks=[*saved.blocks],
            _ready=[*saved.ready],
            _memos=[*saved.memos],
            _position=saved.position,
        )

    def _move(self, life: Life) -> None:
        if life not in _MOVES.get(self.life, ()):
            raise AssertionError(f"{self.upload.key}: an object cannot go from {self.life.name} to {life.name}")
        self.life = life

    @property
    def _waiting(self) -> list[bytes]:
        """The blocks that are not assembled."""
        return [*(self._group.blocks if self._group else ()), *self._blocks]

    def _make_blocks(self) -> None:
        self._encode()
        self._blocks += self._tail or ()
        self._rows, self._tail = [], None

    def _encode(self) -> None:
        """Make the tail, and reject the rows that no block can hold."""
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
