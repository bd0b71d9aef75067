"""Where a change stands in its database's log, and which of two changes is the older one.

A position is bytes, because a million customers keep one each, and because it travels between processes:

    when    8 bytes  ``ts_ms``: milliseconds since 1970. The log of MySQL and MariaDB has whole seconds
    number  4 bytes  of the log's file: 2 of ``binlog.000002``
    pos     8 bytes  of the event in the file
    row     4 bytes  of the row in the event
    lineage the rest of the file's name, ``binlog``: positions of different lineages cannot be compared

All but the first are left out where they are not told.
"""

from functools import lru_cache
from struct import Struct, error

_WHEN, _WHERE, _LINEAGE = slice(8), slice(8, 24), slice(24, None)
_pack_when, _pack = Struct(">Q").pack, Struct(">QIQI").pack


def log_position(ts_ms: object, file: object, pos: object, row: object, *, read: bool = False) -> bytes | None:
    """The position that is told by these fields of ``source``, as Debezium's messages have it.

    A field of another type than Debezium gives it counts as not told.

    Args:
        ts_ms: When the database made the change, in ms since 1970. Without it there is no position: files that count
            anew could not be told from an older change.
        file: Name of the log's file.
        pos: Of the event in the file.
        row: Of the row in the event.
        read: The row was read for a snapshot. Then ``ts_ms`` is the time of reading, and changes that were made since
            the snapshot began, and are sent after it, are earlier than that: alone it orders nothing.
    """
    if type(ts_ms) is not int or not ts_ms:
        return None
    try:
        if type(pos) is int and type(file) is str and (found := _file(file)):
            number, lineage = found
            return _pack(ts_ms, number, pos, row if type(row) is int else 0) + lineage
        return None if read else _pack_when(ts_ms)
    except error:  # negative, or beyond its bytes
        return None


def is_stale(known: bytes, new: bytes) -> bool:
    """Whether ``new`` is older than ``known``, so that it must not replace it.

    In one log the lower position is older, but only if it is not later by the clock: after a failover, and in a
    database that was rebuilt, files count anew. Where there are no two positions of one log, the clock alone decides.
    """
    if known[_WHERE] and new[_WHERE] and known[_LINEAGE] == new[_LINEAGE]:
        return new[_WHERE] < known[_WHERE] and new[_WHEN] <= known[_WHEN]
    return new[_WHEN] < known[_WHEN]


@lru_cache(maxsize=100)
def _file(name: str) -> tuple[int, bytes] | None:
    """Number and lineage of a log's file, for instance ``binlog.000002``."""
    lineage, _, number = name.rpartition(".")
    if len(name) > 255 or not (number.isascii() and number.isdecimal()):
        return None
    return int(number), lineage.encode()
