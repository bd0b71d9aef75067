"""Objects on their way: one that takes records, and one that is sealed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sinks.s3.format import Format
from sinks.s3.uploads import Part, Upload

PART_BYTES = 5 << 20
"""S3 takes no smaller part, but for the last."""

_BLOCK_ROWS = 4_000
_GROUP_BYTES = 4 << 20
"""So many bytes of blocks are assembled at once: a row group of Parquet."""

Place = tuple[Any, ...]
"""What the records of an object have in common: ``Layout.place``."""


@dataclass
class Sealed:
    """An object that takes no more records."""

    upload: Upload
    known: bool = False
    """It is in a snapshot, and with the next that one is durable."""
    completing: bool = False


@dataclass
class Object:
    """An object that takes records."""

    format: Format
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
    _ready: list[bytes] = field(default_factory=list)
    """Assembled, at its final place, and in no part yet."""
    _memos: list[bytes] = field(default_factory=list)
    _position: int = 0
    """The end of what is assembled."""

    @property
    def size(self) -> int:
        """In bytes, without the rows that are in no block yet."""
        return self._position + sum(map(len, self._blocks))

    def add(self, record: object) -> None:
        """Take a record."""
        self._rows.append(record)
        self._tail = None
        self.upload.rows += 1

    def pack(self) -> bool:
        """Bring enough rows into a block, enough blocks into place, enough of that into a part; whether it did."""
        if len(self._rows) < _BLOCK_ROWS:
            return False
        self._make_block()
        if sum(map(len, self._blocks)) >= _GROUP_BYTES:
            self._assemble()
            if sum(map(len, self._ready)) >= PART_BYTES:
                data = b"".join(self._ready)
                self.upload.parts.append(Part(len(self.upload.parts) + 1, len(data), data))
                self._ready = []
        return True

    def seal(self) -> None:
        """Take no more records: what is in no part is the object's end."""
        self._make_block()
        self._assemble()
        self.upload.last = b"".join([*self._ready, self.format.close(self._memos)])

    def save(self) -> dict[str, Any]:
        """The object for a snapshot, as plain values."""
        if self._tail is None and self._rows:
            self._tail = self.format.block(self._rows)
        return {
            "upload": self.upload.save(),
            "place": self.place,
            "since": self.since,
            "blocks": [*self._blocks, self._tail] if self._tail else [*self._blocks],
            "ready": [*self._ready],
            "memos": [*self._memos],
            "position": self._position,
        }

    @classmethod
    def restore(cls, format: Format, saved: Mapping[str, Any]) -> "Object":  # noqa: A002
        """The object of a snapshot, which is durable."""
        return cls(
            format,
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

    def _make_block(self) -> None:
        if self._rows:
            self._blocks.append(self._tail or self.format.block(self._rows))
            self._rows, self._tail = [], None

    def _assemble(self) -> None:
        if self._blocks:
            data, memo = self.format.assemble(self._blocks, self._position)
            self._blocks = []
            self._position += len(data)
            self._ready.append(data)
            if memo:
                self._memos.append(memo)
