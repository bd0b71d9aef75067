"""JSON lines, compressed with gzip. All that is assembled at once is a member of its own, as the format allows."""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import zstandard

_encoder = msgspec.json.Encoder()

_LEVEL = 3
_GZIP = 31
"""zlib's number for a member of gzip. Its header has no time, so equal records become equal bytes."""


class JsonLines:
    """A line a record. Readers of gzip read all its members as one file."""

    extension = "jsonl.gz"
    content_type = "application/gzip"
    spec = ("jsonl",)

    def block(self, records: Sequence[Any]) -> bytes:
        """Encode the lines, compressed with Zstandard: a fifth of gzip's time."""
        return zstandard.ZstdCompressor(level=1).compress(_encoder.encode_lines(records))

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """Make a member of gzip."""
        member, unpack = zlib.compressobj(_LEVEL, wbits=_GZIP), zstandard.ZstdDecompressor().decompress
        written = [member.compress(unpack(block)) for block in blocks]
        return b"".join([*written, member.flush()]), b""

    def close(self, memos: Sequence[bytes]) -> bytes:  # noqa: D102
        return b""
