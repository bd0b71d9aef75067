"""Documents on their way to Elasticsearch: taken from the flow, and not answered yet."""

import time
from collections import deque
from collections.abc import Sequence

import msgspec
import zstandard

from .bulk import OpType, Rejection, as_create

_CHUNK_BYTES = 1 << 20


class Chunk:
    """Operations of one lane that are sent and answered together, and that are one entry of a snapshot."""

    def __init__(self, packed: bytes | None = None) -> None:
        """An empty chunk, or one from a snapshot."""
        self._operations: list[bytes] = []
        self._packed = packed
        self.closed = packed is not None
        """It takes no more operations."""
        self.taken = False
        """A thread is sending it."""
        self.answered = False
        self.rejected: list[tuple[bytes, Rejection]] = []
        """Operations that Elasticsearch will never take, once answered."""
        self.born = time.monotonic()
        operations = _unpack(packed) if packed else []
        self._counted = 0
        """Bytes of memory at the last ``recount``."""
        self.documents = len(operations)
        self.bytes = sum(map(len, operations))
        """Size in a bulk request."""

    def recount(self) -> int:
        """The change since the last call in the memory that it takes: compressed, unless it is new or on its way."""
        held = 0 if self.answered else (self.bytes if self._operations else 0) + len(self._packed or b"")
        change, self._counted = held - self._counted, held
        return change

    def add(self, operations: Sequence[bytes]) -> None:
        """Add operations."""
        self._operations += operations
        self.documents += len(operations)
        self.bytes += sum(map(len, operations))
        self.closed = self.bytes >= _CHUNK_BYTES

    def take(self) -> list[bytes]:
        """The operations, to be sent. From now on they are kept in memory."""
        self.taken = True
        if not self._operations:
            self._operations = _unpack(self._packed or b"")
        return self._operations

    def pack(self) -> bytes:
        """The chunk for a snapshot: closed, and compressed only once."""
        self.closed = True
        if self._packed is None:
            self._packed = _pack(self._operations)
        return self._packed

    def shrink(self) -> None:
        """Keep a packed chunk in that form only, unless it is being sent."""
        if self._packed is not None and not self.taken:
            self._operations = []


class Queue:
    """The chunks that one thread sends, in order."""

    def __init__(self) -> None:
        self.bytes = 0
        self._chunks = deque[Chunk]()

    def append(self, chunk: Chunk) -> None:
        """Put a chunk last. The caller counts its bytes."""
        self._chunks.append(chunk)

    def age(self) -> float:
        """How long the first chunk has waited, in seconds; 0 when there is none."""
        return time.monotonic() - self._chunks[0].born if self._chunks else 0.0

    def head(self, limit: int) -> list[Chunk]:
        """Close and take the first chunks: at least one, and no more than ``limit`` bytes of them otherwise."""
        chunks = list[Chunk]()
        size = 0
        for chunk in self._chunks:
            size += chunk.bytes
            if chunks and size > limit:
                break
            chunk.closed = chunk.taken = True
            chunks.append(chunk)
        return chunks

    def remove(self, chunks: list[Chunk]) -> None:
        """Take the first chunks away."""
        for chunk in chunks:
            self._chunks.popleft()
            self.bytes -= chunk.bytes

    def __bool__(self) -> bool:
        return bool(self._chunks)


def resumed(packed: bytes, op_type: OpType) -> Chunk:
    """A chunk of a snapshot, which a run with another ``op_type`` may have taken.

    If the type is ``create`` now, ``index`` operations are changed: their target may have become a data stream, which
    takes nothing else. An index takes both, so nothing is changed the other way.
    """
    operations = _unpack(packed)
    if op_type == "create" and any(not operation.startswith(b'{"create"') for operation in operations):
        packed = _pack([as_create(operation) for operation in operations])
    return Chunk(packed)


def _pack(operations: list[bytes]) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(operations))


def _unpack(packed: bytes) -> list[bytes]:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=list[bytes])
