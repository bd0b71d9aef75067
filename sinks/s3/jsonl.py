"""JSON lines, compressed with gzip: each block is a member of its own, as the format allows."""

import gzip
from collections.abc import Sequence
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


class JsonLines:
    """A line a record. Readers of gzip read all its members as one file."""

    extension = "jsonl.gz"
    content_type = "application/gzip"

    def block(self, records: Sequence[Any]) -> bytes:  # noqa: D102
        # No time in the header: the same records are the same bytes.
        return gzip.compress(_encoder.encode_lines(records), compresslevel=3, mtime=0)

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:  # noqa: D102
        return b"".join(blocks), b""

    def close(self, memos: Sequence[bytes]) -> bytes:  # noqa: D102
        return b""
