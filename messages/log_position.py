"""The position of a change in its database's log, from the ``source`` of Debezium's messages.

A position has 36 bytes, because each of a million customers keeps one, and processes send it to each other:

    clock   8 bytes  ``ts_ms``, when the database made the change, ms since 1970; of MySQL and MariaDB whole seconds
    log     4 bytes  a hash of what names the log: the kind, and the files' name or the database
    server  4 bytes  ``server_id`` of MySQL and MariaDB; 0: not told, as in what is read for a snapshot
    place  20 bytes  in the log, by connector:
                     MySQL, MariaDB: number of ``file`` (8 bytes), ``pos`` (8), ``row`` (4)
                     PostgreSQL: ``lsn`` (8)
                     SQL Server, Db2: ``commit_lsn`` (10), ``change_lsn`` (10)
                     Oracle: ``scn`` (8)
                     MongoDB: seconds of ``ts_ms`` (8), ``ord`` (8)
"""

from functools import lru_cache
from struct import Struct, error
from typing import Any
from zlib import crc32

import msgspec

BYTES = 36
CLOCK, LOG, SERVER, PLACE = slice(8), slice(8, 12), slice(12, 16), slice(16, BYTES)
_pack = Struct(">QIIQQI").pack
_pack_head = Struct(">QII").pack
_LSN_BYTES = 10


class Source(msgspec.Struct, gc=False):
    """The fields of a ``source`` that are read; a field of an unexpected type counts as missing."""

    ts_ms: Any = None
    server_id: Any = None
    file: Any = None
    pos: Any = None
    row: Any = None
    lsn: Any = None
    commit_lsn: Any = None
    change_lsn: Any = None
    scn: Any = None
    ord: Any = None
    db: Any = None


def log_position(source: Source) -> bytes | None:
    """The position in a ``source``; None without a place and a clock.

    Neither suffices alone: a new log counts from the start again, and a clock may be set back.
    """
    clock = source.ts_ms
    if type(clock) is not int or clock <= 0:
        return None
    try:
        if type(source.pos) is int and type(source.file) is str:
            found = _file(source.file)
            return found and _pack(clock, found[1], _int(source.server_id), found[0], source.pos, _int(source.row))
        if type(source.lsn) is int:
            return _pack(clock, _log("lsn", source.db), 0, source.lsn, 0, 0)
        if type(source.commit_lsn) is str:
            places = _lsn(source.commit_lsn) + _lsn(source.change_lsn)
            return _pack_head(clock, _log("commit_lsn", source.db), 0) + places
        if type(source.scn) is int or (type(source.scn) is str and source.scn.isdecimal()):
            return _pack(clock, _log("scn", source.db), 0, int(source.scn), 0, 0)
        if type(source.ord) is int:
            return _pack(clock, _log("ord", source.db), 0, clock // 1000, source.ord, 0)
    except (error, ValueError, OverflowError):  # negative, too large for its bytes, or not a number
        return None
    return None


def is_same_log(one: bytes, other: bytes) -> bool:
    """Whether two positions are in one server's log, so that their places can be compared."""
    if one[LOG] != other[LOG]:
        return False
    return one[SERVER] == other[SERVER] or not any(one[SERVER]) or not any(other[SERVER])


def _int(value: object) -> int:
    return value if type(value) is int else 0


def _lsn(text: object) -> bytes:
    """The bytes of an LSN such as ``00000027:00000ac0:0002``; zeros without one."""
    groups = text.split(":") if isinstance(text, str) and len(text) <= 80 else []
    number = int("".join(groups), 16) if len(groups) > 1 else 0
    return number.to_bytes(_LSN_BYTES, "big")


def _log(kind: str, database: object) -> int:
    return crc32(f"{kind} {database if isinstance(database, str) else ''}".encode(errors="replace"))


@lru_cache(maxsize=100)
def _file(name: str) -> tuple[int, int] | None:
    """The number of a log file such as ``binlog.000002``, and the hash of its name without the number."""
    lineage, _, number = name.rpartition(".")
    if len(name) > 255 or not (number.isascii() and number.isdecimal()):
        return None
    return int(number), _log("file", lineage)
