"""Documents on their way to Elasticsearch: what has been taken from the flow and is not answered yet."""

import time
from collections import deque
from collections.abc import Iterable

import msgspec
import zstandard

from sinks.elasticsearch.bulk import Rejection

_CHUNK_BYTES = 1 << 20


class Chunk:
    """Operations of one lane that are sent, and answered for, together."""

    def __init__(self, packed: bytes | None = None) -> None:
        """An empty chunk, or one from a snapshot."""
        self.operations: list[bytes] = _unpack(packed) if packed else []
        self.bytes = sum(map(len, self.operations))
        self.born = time.monotonic()
        self.closed = packed is not None
        """Nothing is added any more."""
        self.answered = False
        self.rejected: list[tuple[bytes, Rejection]] = []
        """Operations that Elasticsearch will never take, once answered."""
        self._packed = packed

    def add(self, operations: Iterable[bytes]) -> int:
        """Add operations; how many bytes they are."""
        before = len(self.operations)
        self.operations += operations
        added = sum(map(len, self.operations[before:]))
        self.bytes += added
        self.closed = self.bytes >= _CHUNK_BYTES
        return added

    def pack(self) -> bytes:
        """The chunk for a snapshot: closed, and compressed once, however often it is asked for."""
        self.closed = True
        if self._packed is None:
            self._packed = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(self.operations))
        return self._packed


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
        """The first chunks, closed: one, and as many more as have ``limit`` bytes together."""
        chunks = list[Chunk]()
        size = 0
        for chunk in self._chunks:
            size += chunk.bytes
            if chunks and size > limit:
                break
            chunk.closed = True
            chunks.append(chunk)
        return chunks

    def remove(self, chunks: list[Chunk]) -> None:
        """Take the first chunks away."""
        for chunk in chunks:
            self._chunks.popleft()
            self.bytes -= chunk.bytes

    def __bool__(self) -> bool:
        return bool(self._chunks)


def _unpack(packed: bytes) -> list[bytes]:
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed), type=list[bytes])
