"""Which changes are repetitions: connector by connector, and where positions and clocks fail."""

from typing import Any

import pytest

from messages.log_position import Source, log_position
from messages.version import Version, advance, is_stale, version
from records.customer import decode
from servers.embedded.messages import message, to_json

ROW = {"id": 1, "first_name": "Rica"}

Pair = tuple[dict[str, Any], dict[str, Any]]
"""What the source of a connector tells of a change, and of one before it."""

MARIADB: Pair = (
    {"connector": "mariadb", "server_id": 1, "gtid": "0-1-9", "file": "binlog.000002", "pos": 3196, "row": 0},
    {"connector": "mariadb", "server_id": 1, "gtid": "0-1-7", "file": "binlog.000002", "pos": 2603, "row": 0},
)
MYSQL: Pair = (
    {"connector": "mysql", "server_id": 223344, "gtid": None, "file": "mysql-bin.000003", "pos": 4, "row": 1},
    {"connector": "mysql", "server_id": 223344, "gtid": None, "file": "mysql-bin.000002", "pos": 900, "row": 0},
)
POSTGRES: Pair = (
    {"connector": "postgresql", "db": "demo", "sequence": '["24023119","24023128"]', "txId": 9, "lsn": 24023128},
    {"connector": "postgresql", "db": "demo", "sequence": '["24023100","24023119"]', "txId": 8, "lsn": 24023119},
)
SQL_SERVER: Pair = (
    {"db": "demo", "commit_lsn": "00000027:00000ac0:0003", "change_lsn": "00000027:00000ac0:0002"},
    {"db": "demo", "commit_lsn": "00000027:00000758:0005", "change_lsn": "00000027:00000758:0003"},
)
ORACLE: Pair = (
    {"connector": "oracle", "db": "ORCLPDB1", "scn": "2868546", "commit_scn": "2868559", "lcr_position": None},
    {"connector": "oracle", "db": "ORCLPDB1", "scn": "2868111", "commit_scn": "2868115", "lcr_position": None},
)
SOURCES = {"MariaDB": MARIADB, "MySQL": MYSQL, "PostgreSQL": POSTGRES, "SQL Server": SQL_SERVER, "Oracle": ORACLE}

HOUR = 3_600_000
NOON = 1_795_737_600_000
KNOWN, RECORD = NOON, NOON + 500


def change(
    source: dict[str, Any] | None, *, clock: int = KNOWN, partition: int = 0, record: int = RECORD, op: str = "u"
) -> Version:
    told = None if source is None else {**source, "ts_ms": clock}
    envelope = {"before": None, "after": ROW, "source": told, "op": op, "ts_ms": 5}
    found = decode(message(to_json(envelope), partition=partition, timestamp=record))
    assert found is not None
    return found.version


@pytest.mark.parametrize("connector", SOURCES)
@pytest.mark.parametrize("partition", [0, 1])
@pytest.mark.parametrize("record", [RECORD - HOUR, RECORD, RECORD + HOUR])
def test_a_repetition_is_dropped(connector: str, partition: int, record: int) -> None:
    later, earlier = SOURCES[connector]
    known = change(later)
    for clock in KNOWN, KNOWN - 1, KNOWN - HOUR:
        assert is_stale(known, change(earlier, clock=clock, partition=partition, record=record))
        assert not is_stale(change(earlier, clock=clock, partition=partition, record=record), known)
    assert not is_stale(known, change(later, partition=partition, record=record))  # the same again


@pytest.mark.parametrize("connector", SOURCES)
@pytest.mark.parametrize("record", [RECORD - HOUR, RECORD, RECORD + HOUR])
def test_what_is_not_proved_to_be_a_repetition_is_applied(connector: str, record: int) -> None:
    later, earlier = SOURCES[connector]
    known = change(earlier)
    # The database's clock was set back; a statement that waited for a lock.
    assert not is_stale(known, change(later, clock=KNOWN - HOUR, record=record))
    # Its log counts anew: a failover, or a database that was restored.
    assert not is_stale(change(later), change(earlier, clock=KNOWN + 1, record=record))
    # Another database or another server.
    other = {**earlier, "server_id": 7} if "server_id" in earlier else {**earlier, "db": "other"}
    assert not is_stale(change(later), change(other, clock=KNOWN - HOUR, record=record))
    # Nothing is told.
    assert not is_stale(change(later), change(None, record=record))
    assert not is_stale(change(None), change(earlier, clock=KNOWN - HOUR, record=record))


@pytest.mark.parametrize("connector", SOURCES)
def test_a_snapshot_read_again_is_applied(connector: str) -> None:
    later, earlier = SOURCES[connector]
    # Reads have the time of reading; MySQL and MariaDB tell no server then.
    read = {**earlier, "server_id": 0, "snapshot": "true"}
    assert not is_stale(change(later), change(read, clock=KNOWN + 1, op="r"))
    assert not is_stale(change(read, clock=KNOWN + 1, op="r"), change(later))


MONGO = {"connector": "mongodb", "db": "demo", "rs": "rs0"}


@pytest.mark.parametrize(
    ("known", "new", "stale"),
    [
        (({**MONGO, "ord": 2}, NOON), ({**MONGO, "ord": 1}, NOON), True),
        (({**MONGO, "ord": 2}, NOON), ({**MONGO, "ord": 3}, NOON), False),
        (({**MONGO, "ord": 2}, NOON), ({**MONGO, "ord": 1}, NOON + 1000), False),
        (({**MONGO, "ord": 1}, NOON), ({**MONGO, "ord": 9}, NOON - 1000), True),
    ],
)
def test_mongodb(known: tuple[dict[str, Any], int], new: tuple[dict[str, Any], int], stale: bool) -> None:
    assert is_stale(change(known[0], clock=known[1]), change(new[0], clock=new[1])) is stale


A, B = POSTGRES


@pytest.mark.parametrize(
    ("known", "new", "stale"),
    [
        # In one partition the later offset wins, whatever the record's timestamp.
        pytest.param((0, 500, None), (0, 499, None), False, id="earlier, same partition"),
        pytest.param((0, 500, None), (0, 0, None), False, id="no timestamp, same partition"),
        # Between partitions the later record timestamp wins.
        pytest.param((0, 500, None), (1, 499, None), True, id="earlier, other partition"),
        pytest.param((0, 500, None), (1, 501, None), False, id="later, other partition"),
        pytest.param((1, 500, None), (0, 501, None), False, id="later, lower partition"),
        pytest.param((0, 500, None), (1, 500, None), False, id="the same time, higher partition"),
        pytest.param((1, 500, None), (0, 500, None), True, id="the same time, lower partition"),
        pytest.param((0, 500, None), (1, -1, None), True, id="no timestamp, other partition"),
        # But positions of one log tell better, where clocks agree.
        pytest.param((0, 500, B), (1, 499, A), False, id="a higher place, earlier record"),
        pytest.param((0, 500, A), (1, 501, B), True, id="a lower place, later record"),
        pytest.param((0, 500, A), (1, 499, None), True, id="a place known, earlier record"),
        pytest.param((0, 500, None), (1, 499, A), True, id="a place told, earlier record"),
        pytest.param((0, 500, A), (1, 501, None), False, id="a place known, later record"),
    ],
)
def test_between_partitions(
    known: tuple[int, int, dict[str, Any] | None], new: tuple[int, int, dict[str, Any] | None], stale: bool
) -> None:
    one, other = (change(source, partition=partition, record=record) for partition, record, source in (known, new))
    assert is_stale(one, other) is stale


@pytest.mark.parametrize("record", [RECORD - 1, RECORD + 1])
@pytest.mark.parametrize(("known", "new", "clock"), [(A, B, KNOWN + HOUR), (B, A, KNOWN - HOUR)])
def test_where_place_and_clock_disagree_the_record_timestamp_tells_between_partitions(
    known: dict[str, Any], new: dict[str, Any], clock: int, record: int
) -> None:
    assert is_stale(change(known), change(new, clock=clock, partition=1, record=record)) is (record < RECORD)


@pytest.mark.parametrize("timestamp", [-1, 0, 1, NOON, NOON * 1000, 2**62])
@pytest.mark.parametrize("position", [None, log_position(Source(5000, lsn=9))])
def test_any_timestamp_has_a_version(timestamp: int, position: bytes | None) -> None:
    some = version(message(None, partition=3, timestamp=timestamp), position)
    assert not is_stale(some, some)


def test_a_change_without_a_position_leaves_the_one_that_is_known() -> None:
    tombstone = change(None, record=RECORD + 1)
    known = advance(change(A), tombstone)
    assert is_stale(known, change(B))
    assert is_stale(known, change(None, partition=1, record=RECORD))
    assert advance(tombstone, tombstone) == tombstone
    assert advance(change(A), change(B)) == change(B)
