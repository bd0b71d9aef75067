"""A file format, as the sink sees it: it writes an object in parts, and forgets each part when it is written."""

from collections.abc import Sequence
from typing import Any, Protocol

from ...state import StateError


class Format(Protocol):
    """A format of objects. All that it returns can be kept in the recovery store."""

    extension: str
    content_type: str
    spec: tuple[Any, ...]
    """Plain values from which ``restore`` makes the same format: its name, and its arguments."""

    def block(self, records: Sequence[Any]) -> bytes:
        """Encode records as they wait in a snapshot: compressed, but quickly, for the flow waits for it.

        Raises:
            ColumnsError: the format is not one for such records.
            Exception: any other than MemoryError and OSError: it cannot hold one of the records.
        """
        ...

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """Make of blocks the object's bytes from ``position`` on, and a memo for ``close``.

        It is called in a thread beside the flow.
        """
        ...

    def close(self, memos: Sequence[bytes]) -> bytes:
        """The object's last bytes, by the memos of all that was assembled."""
        ...


class ColumnsError(ValueError):
    """Records have other columns than the format."""


def restore(spec: Sequence[Any]) -> Format:
    """The format of an object that an earlier run began.

    Raises:
        StateError: this version has no such format.
    """
    # Not at the top: Arrow takes a while to import, and JSON lines do without.
    from . import jsonl, parquet  # noqa: PLC0415

    kind, *arguments = spec
    if kind == "jsonl":
        return jsonl.JsonLines()
    if kind == "parquet":
        return parquet.Parquet.restore(*arguments)
    raise StateError(
        f"the recovery store has an object in format {kind!r}, which this version does not know: run the version that "
        "wrote it until the object is complete"
    )
