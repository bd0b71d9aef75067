from typing import Any

import pytest

from messages.log_position import BYTES, CLOCK, PLACE, Source, is_same_log, log_position

FILE: dict[str, Any] = {"ts_ms": 258, "file": "binlog.000002", "pos": 3}


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (FILE, "0000000000000002 0000000000000003 00000000"),
        ({**FILE, "row": 4}, "0000000000000002 0000000000000003 00000004"),
        ({**FILE, "file": "binlog.1000000", "pos": 2**40}, "00000000000f4240 0000010000000000 00000000"),
        ({"ts_ms": 258, "lsn": 24023128, "txId": 555, "db": "inventory"}, "00000000016e9058 0000000000000000 00000000"),
        (
            {"ts_ms": 258, "commit_lsn": "00000027:00000758:0005", "change_lsn": "00000027:00000758:0003"},
            "00000027000007580005 00000027000007580003",
        ),
        (
            {"ts_ms": 258, "commit_lsn": "00000025:00000d98:00a2", "change_lsn": None},
            "0000002500000d9800a2 00000000000000000000",
        ),
        ({"ts_ms": 258, "scn": "2868546", "commit_scn": "2868559"}, "00000000002bc542 0000000000000000 00000000"),
        ({"ts_ms": 258, "scn": 5}, "0000000000000005 0000000000000000 00000000"),
        ({"ts_ms": 5000, "ord": 31, "db": "inventory"}, "0000000000000005 000000000000001f 00000000"),
    ],
)
def test_the_place(source: dict[str, Any], place: str) -> None:
    position = told(source)
    assert position is not None
    assert len(position) == BYTES
    assert position[PLACE].hex() == place.replace(" ", "")
    assert int.from_bytes(position[CLOCK], "big") == source["ts_ms"]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"ts_ms": 258},
        {"ts_ms": 258, "file": None, "pos": 3},
        {"ts_ms": 258, "file": "binlog.000002", "pos": None},
        # The name of no log's file.
        *({**FILE, "file": name} for name in ("", "binlog", "binlog.", "binlog.2a", "binlog.\u0662", "b" * 300 + ".1")),
        # Of another type.
        {**FILE, "ts_ms": "258"},
        {**FILE, "ts_ms": True},
        {**FILE, "ts_ms": 2.5},
        {**FILE, "file": ["binlog.000002"]},
        {**FILE, "pos": "3"},
        {"ts_ms": 258, "lsn": "0/16E9058"},
        {"ts_ms": 258, "commit_lsn": "later:0005"},
        {"ts_ms": 258, "commit_lsn": "00000027", "change_lsn": "later:1"},
        {"ts_ms": 258, "scn": "two"},
        # Beyond its bytes.
        {**FILE, "ts_ms": -1},
        {**FILE, "ts_ms": 2**64},
        {**FILE, "file": f"binlog.{2**64}"},
        {**FILE, "pos": -3},
        {**FILE, "pos": 2**64},
        {**FILE, "row": 2**32},
        {**FILE, "server_id": 2**32},
        {"ts_ms": 258, "lsn": -1},
        {"ts_ms": 258, "commit_lsn": "ffffffff:ffffffff:ffffffff"},
        # Without a clock.
        {**FILE, "ts_ms": None},
        {**FILE, "ts_ms": 0},
        {"lsn": 24023128},
    ],
)
def test_what_tells_no_position(source: dict[str, Any]) -> None:
    assert told(source) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (FILE, {**FILE, "file": "binlog.000009"}, True),
        (FILE, {**FILE, "file": "mysql-bin.000002"}, False),
        (FILE, {**FILE, "file": "binlog.old.000002"}, False),
        ({**FILE, "server_id": 1}, {**FILE, "server_id": 1}, True),
        ({**FILE, "server_id": 1}, {**FILE, "server_id": 2}, False),
        # What was read for a snapshot has the server 0.
        ({**FILE, "server_id": 0}, {**FILE, "server_id": 2}, True),
        ({**FILE, "server_id": 1}, FILE, True),
        ({"ts_ms": 1, "lsn": 5, "db": "a"}, {"ts_ms": 1, "lsn": 5, "db": "a"}, True),
        ({"ts_ms": 1, "lsn": 5, "db": "a"}, {"ts_ms": 1, "lsn": 5, "db": "b"}, False),
        ({"ts_ms": 1, "lsn": 5, "db": "a"}, {"ts_ms": 1, "scn": 5, "db": "a"}, False),
    ],
)
def test_which_logs_are_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    positions = told(one), told(other)
    assert None not in positions
    assert is_same_log(*positions) is same  # type: ignore[arg-type]
    assert is_same_log(*reversed(positions)) is same  # type: ignore[arg-type]


def told(source: dict[str, Any]) -> bytes | None:
    known = Source.__struct_fields__
    return log_position(Source(**{name: field for name, field in source.items() if name in known}))
