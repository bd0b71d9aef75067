"""Fields of ``source`` in a flattened row, added by ``add.fields`` of ``ExtractNewRecordState``.

Their names have ``source`` or not (``__source_lsn``, ``__lsn``), and may lack the prefix. ``ts_ms`` needs ``source``:
without it, ``ts_ms`` is the connector's clock.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from messages.log_position import Source, log_position

_NAMES = Source.__struct_fields__


class _Named:
    """Reads a ``Source`` from the fields of a row whose names begin with a prefix."""

    def __init__(self, prefix: str) -> None:
        fields = [(name, Any, msgspec.field(name=prefix + name, default=None)) for name in _NAMES]
        self._type: Any = msgspec.defstruct("Added", fields, gc=False)
        wrapped = msgspec.defstruct("Wrapped", [("payload", self._type)], gc=False)
        self._decode = msgspec.json.Decoder(self._type).decode
        self._decode_wrapped: Callable[[bytes], Any] = msgspec.json.Decoder(wrapped).decode

    def read(self, raw: bytes | dict[str, Any], *, wrapped: bool) -> Any:
        if isinstance(raw, dict):
            return msgspec.convert(raw, self._type)
        return self._decode_wrapped(raw).payload if wrapped else self._decode(raw)


class AddedSource:
    """Reads the position from a row whose fields have one of these names."""

    def __init__(self, with_source: str, without: str) -> None:
        self._with, self._without = _Named(with_source), _Named(without)
        self.names = [with_source + name for name in _NAMES] + [without + name for name in _NAMES if name != "ts_ms"]

    def position(self, raw: bytes | dict[str, Any], *, wrapped: bool) -> bytes | None:
        """The position, in the form of ``messages/log_position.py``; None if the row has none.

        Args:
            raw: The row as JSON, or its fields by their names in lower case.
            wrapped: Whether the row is the ``payload`` of the JSON.
        """
        source = self._with.read(raw, wrapped=wrapped)
        position = log_position(source)
        if position is None:
            other = self._without.read(raw, wrapped=wrapped)
            other.ts_ms = source.ts_ms
            position = log_position(other)
        return position
