"""What a file format is to the sink: it writes an object in parts, and forgets each part when it is written."""

from collections.abc import Sequence
from typing import Any, Protocol


class Format(Protocol):
    """A format of objects. Everything that it returns is plain bytes, for the recovery store."""

    extension: str
    content_type: str

    def block(self, records: Sequence[Any]) -> bytes:
        """Records as they wait in a snapshot: compressed, so far as that is quick, for the flow waits for it."""
        ...

    def assemble(self, blocks: Sequence[bytes], position: int) -> tuple[bytes, bytes]:
        """Blocks as they stand in the object, from byte ``position`` on; and what ``close`` must know of them.

        It is called in a thread beside the flow.
        """
        ...

    def close(self, memos: Sequence[bytes]) -> bytes:
        """The object's last bytes, after all that was assembled."""
        ...
