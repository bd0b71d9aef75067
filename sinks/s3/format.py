"""What a file format is to the sink: it writes an object in parts, and forgets each part when it is written."""

from collections.abc import Sequence
from typing import Any, Protocol

from sinks.s3.errors import StateError


class Format(Protocol):
    """A format of objects. Everything that it returns is plain bytes, for the recovery store."""

    extension: str
    content_type: str
    spec: tuple[Any, ...]
    """Its kind, and what ``restore`` makes the same format of: plain values."""

    def block(self, records: Sequence[Any]) -> bytes:
        """Records as they wait in a snapshot: compressed, so far as that is quick, for the flow waits for it.

        Raises:
            ColumnsError: the format is not one for such records.
            Exception: any other but MemoryError and OSError: it cannot hold one of these.
        """
        ...

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """Blocks as they stand in the object, from byte ``position`` on; and what ``close`` must know of them.

        It is called in a thread beside the flow.
        """
        ...

    def close(self, memos: Sequence[bytes]) -> bytes:
        """The object's last bytes, after all that was assembled."""
        ...


class ColumnsError(ValueError):
    """Records have other columns than the format."""


def restore(spec: Sequence[Any]) -> Format:
    """The format of an object that a run before began.

    Raises:
        StateError: this version has no such format.
    """
    # Not at the top: Arrow takes a while to import, and JSON lines do without.
    from sinks.s3 import jsonl, parquet  # noqa: PLC0415

    kind, *arguments = spec
    if kind == "jsonl":
        return jsonl.JsonLines()
    if kind == "parquet":
        return parquet.Parquet.restore(*arguments)
    raise StateError(f"the recovery store has an object in format {kind!r}, which this version does not know")
