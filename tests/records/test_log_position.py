from typing import Any

import pytest

from records.log_position import is_stale, log_position

SECOND = 1000


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((258, "binlog.000002", 3, 4), b"\0\0\0\0\0\0\1\2\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\4binlog"),
        ((258, "binlog.000002", 3, None), b"\0\0\0\0\0\0\1\2\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0binlog"),
        ((258, None, None, None), b"\0\0\0\0\0\0\1\2"),
        ((258, "binlog.000002", None, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, None, 3, 4), b"\0\0\0\0\0\0\1\2"),
        # What is no name of a log's file.
        ((258, "", 3, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, "binlog", 3, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, "binlog.", 3, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, "binlog.2a", 3, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, "binlog.\u0662", 3, 4), b"\0\0\0\0\0\0\1\2"),
        ((258, "b" * 300 + ".1", 3, 4), b"\0\0\0\0\0\0\1\2"),
        # Of another type.
        (("258", "binlog.000002", "3", "4"), None),
        ((True, None, None, None), None),
        ((2.5, {}, [], True), None),
        ((258, ["binlog.000002"], 3, 4), b"\0\0\0\0\0\0\1\2"),
        # Beyond its bytes.
        ((-1, "binlog.000002", 3, 4), None),
        ((2**64, None, None, None), None),
        ((258, f"binlog.{2**32}", 3, 4), None),
        ((258, "binlog.000002", -3, 4), None),
        ((258, "binlog.000002", 2**64, 4), None),
        ((258, "binlog.000002", 3, 2**32), None),
        # Without a time.
        ((None, "binlog.000002", 3, 4), None),
        ((0, "binlog.000002", 3, 4), None),
        ((0, None, None, None), None),
        ((None, None, None, None), None),
    ],
)
def test_a_position(told: tuple[Any, Any, Any, Any], expected: bytes | None) -> None:
    assert log_position(*told) == expected


def test_a_snapshots_clock_alone_is_no_position() -> None:
    assert log_position(258, None, None, None, read=True) is None
    place = 258, "binlog.000002", 3, 0
    assert log_position(*place, read=True) == log_position(*place)


Told = tuple[int, str | None, int | None, int | None]


def at(seconds: int, file: str, pos: int, row: int = 0) -> Told:
    return seconds * SECOND, file, pos, row


def when(seconds: int) -> Told:
    return seconds * SECOND, None, None, None


@pytest.mark.parametrize(
    ("known", "new", "stale"),
    [
        # In one log: the position.
        pytest.param(at(5, "binlog.000002", 100), at(5, "binlog.000002", 101), False, id="higher"),
        pytest.param(at(5, "binlog.000002", 100), at(5, "binlog.000002", 100), False, id="the same again"),
        pytest.param(at(5, "binlog.000002", 100), at(5, "binlog.000002", 99), True, id="lower in the same second"),
        pytest.param(at(5, "binlog.000002", 100), at(4, "binlog.000002", 99), True, id="lower and earlier"),
        pytest.param(at(5, "binlog.000002", 100, 1), at(5, "binlog.000002", 100, 0), True, id="a lower row"),
        pytest.param(at(5, "binlog.000002", 100, 1), at(5, "binlog.000002", 100, 2), False, id="a higher row"),
        pytest.param(at(5, "binlog.000002", 100, 0), at(5, "binlog.000002", 99, 9), True, id="a higher row, but lower"),
        pytest.param(at(5, "binlog.000002", 256), at(5, "binlog.000002", 255), True, id="across a byte"),
        pytest.param(at(5, "binlog.000002", 2**32), at(5, "binlog.000002", 9), True, id="beyond four bytes"),
        pytest.param(at(5, "binlog.000002", 9), at(5, "binlog.000003", 4), False, id="the next file"),
        pytest.param(at(5, "binlog.000003", 4), at(5, "binlog.000002", 9), True, id="the file before"),
        pytest.param(at(5, "binlog.1000000", 4), at(5, "binlog.000002", 9), True, id="a file of seven digits"),
        pytest.param(at(5, "binlog.999999", 9), at(5, "binlog.1000000", 4), False, id="from six digits to seven"),
        # A statement that waited for a lock is later in the log, with the time of its start.
        pytest.param(at(5, "binlog.000002", 100), at(3, "binlog.000002", 200), False, id="higher, but earlier"),
        # After a failover or in a rebuilt database files count anew.
        pytest.param(at(5, "binlog.000900", 100), at(6, "binlog.000001", 4), False, id="files anew"),
        pytest.param(
            at(5, "binlog.000900", 100), at(5, "binlog.000001", 4), True, id="an old change from another server"
        ),
        # Of two logs: the clock.
        pytest.param(at(5, "mysql-bin.000002", 100), at(6, "binlog.000001", 4), False, id="another log, later"),
        pytest.param(at(5, "mysql-bin.000002", 100), at(5, "binlog.000001", 4), False, id="another log, same second"),
        pytest.param(at(5, "mysql-bin.000002", 100), at(4, "binlog.000003", 200), True, id="another log, earlier"),
        pytest.param(at(5, "binlog.000002", 100), at(4, "binlog.old.000003", 200), True, id="a name that goes on"),
        # Only the clock.
        pytest.param(when(5), when(6), False, id="later"),
        pytest.param(when(5), when(5), False, id="the same second"),
        pytest.param(when(5), when(4), True, id="earlier"),
        pytest.param(at(5, "binlog.000002", 100), when(4), True, id="a position known, earlier"),
        pytest.param(at(5, "binlog.000002", 100), when(5), False, id="a position known, the same second"),
        pytest.param(when(5), at(4, "binlog.000002", 100), True, id="a time known, earlier"),
        pytest.param(when(5), at(5, "binlog.000002", 100), False, id="a time known, the same second"),
    ],
)
def test_what_is_stale(known: Told, new: Told, stale: bool) -> None:
    known_position, new_position = log_position(*known), log_position(*new)
    assert known_position is not None
    assert new_position is not None
    assert is_stale(known_position, new_position) is stale
