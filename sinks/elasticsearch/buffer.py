"""Documents on their way to Elasticsearch: what has been taken from the flow and is not answered yet."""

import time
from collections import deque
from collections.abc import Sequence

import msgspec
import zstandard

from sinks.elasticsearch.bulk import OpType, Rejection, as_create

_CHUNK_BYTES = 1 << 20


class Chunk:
    """Operations of one lane that are sent, and answered for, together."""

    def __init__(self, packed: bytes | None = None) -> None:
        """An empty chunk, or one from a snapshot."""
        self._operations: list[bytes] = []
        self._packed = packed
        self.closed = packed is not None
        """Nothing is added any more."""
        self.taken = False
        """A thread is sending it."""
        self.answered = False
        self.rejected: list[tuple[bytes, Rejection]] = []
        """Operations that Elasticsearch will never take, once answered."""
        self.born = time.monotonic()
        operations = _unpack(packed) if packed else []
        self.documents = len(operations)
        self.bytes = sum(map(len, operations))
        """Of a request that sends it."""

    @property
    def held(self) -> int:
        """Bytes of memory that it takes: compressed, unless it is new or on its way."""
        return (self.bytes if self._operations else 0) + len(self._packed or b"")

    def add(self, operations: Sequence[bytes]) -> None:
        """Add operations."""
        self._operations += operations
        self.documents += len(operations)
        self.bytes += sum(map(len, operations))
        self.closed = self.bytes >= _CHUNK_BYTES

    def take(self) -> list[bytes]:
        """The operations, to be sent; from then on they are kept."""
        self.taken = True
        if not self._operations:
            self._operations = _unpack(self._packed or b"")
        return self._operations

    def pack(self) -> bytes:
        """The chunk for a snapshot: closed, and compressed once, however often it is asked for."""
        self.closed = True
        if self._packed is None:
            self._packed = _pack(self._operations)
        return self._packed

    def shrink(self) -> None:
        """Keep a chunk that is packed in that form only, until it is taken."""
        if self._packed is not None and not self.taken:
            self._operations = []


class Queue:
    """The chunks that one thread sends, in order."""

    def __init__(self) -> None:
        self.bytes = 0
        self._chunks = deque[Chunk]()

    def append(self, chunk: Chunk) -> None:
        """Put a chunk last; its bytes are for the caller to count."""
        self._chunks.append(chunk)

    def age(self) -> float:
        """How long the first chunk has waited, in seconds; 0 when there is none."""
        return time.monotonic() - self._chunks[0].born if self._chunks else 0.0

    def head(self, limit: int) -> list[Chunk]:
        """The first chunks, closed and taken: one, and as many more as have ``limit`` bytes together."""
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
    """A chunk of a snapshot that a run with maybe another type of operation took.

    Documents that were to be indexed are created where that is the type now: their name may have become a data stream,
    which takes nothing else. An index takes both, so the other way nothing needs to be changed.
    """
    operations = _unpack(packed)
    if op_type == "create" and any(not operation.startswith(b'{"create"') for operation in operations):
        packed = _pack([as_create(operation) for operation in operations])
    return Chunk(packed)


def _pack(operations: list[bytes]) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(operations))


def _unpack(packed: bytes) -> list[bytes]:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=list[bytes])
