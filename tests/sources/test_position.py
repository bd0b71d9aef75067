"""Where a partition resumes, and what it commits: tables of all decisions."""

import pytest

from sources.kafka.position import (
    Commits,
    Partition,
    Position,
    Start,
    from_commit,
    start,
    to_metadata,
)

OLD, NEW = "old-id", "new-id"
STORE, GROUP = "the offset in the recovery store", "the offset in the consumer group"


@pytest.mark.parametrize(
    ("offset", "metadata", "expected"),
    [
        pytest.param(-1001, None, None, id="nothing"),
        pytest.param(7, None, Position(7), id="by another tool"),
        pytest.param(7, "", Position(7), id="by another tool, with empty metadata"),
        pytest.param(7, "consumer-1", Position(7), id="by another tool, with metadata of its own"),
        pytest.param(7, to_metadata(None), Position(7), id="of a topic without id"),
        pytest.param(7, to_metadata(NEW), Position(7, (), NEW), id="by us"),
    ],
)
def test_what_the_group_has_committed(offset: int, metadata: str | None, expected: Position | None) -> None:
    assert from_commit(offset, metadata) == expected


def begins(at: int, topic_id: str | None = NEW, *parked: int) -> Start:
    return Start(Position(at, parked, topic_id))


def gone(whose: str, wanted: int, why: str, earliest: int) -> str:
    return f"{whose}, {wanted}, is not there ({why}): reading from {earliest}"


@pytest.mark.parametrize(
    ("stored", "committed", "partition", "expected"),
    [
        pytest.param(None, None, Partition(NEW, 10, 20), begins(10), id="the first run"),
        pytest.param(None, None, Partition(NEW, 0, 0), begins(0), id="the first run, an empty partition"),
        pytest.param(Position(15, (), NEW), Position(12), Partition(NEW, 10, 20), begins(15), id="the store wins"),
        pytest.param(Position(10, (), NEW), None, Partition(NEW, 10, 20), begins(10), id="at the earliest"),
        pytest.param(Position(20, (), NEW), None, Partition(NEW, 10, 20), begins(20), id="at the end"),
        pytest.param(
            Position(15, (11, 13), NEW), None, Partition(NEW, 10, 20), begins(15, NEW, 11, 13), id="some are parked"
        ),
        pytest.param(Position(15), None, Partition(NEW, 10, 20), begins(15), id="a store without ids"),
        pytest.param(
            Position(15, (), OLD), None, Partition(None, 10, 20), begins(15, None), id="brokers that tell no ids"
        ),
        pytest.param(None, Position(15), Partition(NEW, 10, 20), begins(15), id="the group"),
        pytest.param(None, Position(15, (), NEW), Partition(NEW, 10, 20), begins(15), id="the group, by us"),
        pytest.param(
            Position(5, (), NEW),
            None,
            Partition(NEW, 10, 20),
            Start(Position(10, (), NEW), 5, 0, gone(STORE, 5, "5 messages were removed by retention", 10)),
            id="retention",
        ),
        pytest.param(
            Position(15, (7, 8, 12), NEW),
            None,
            Partition(NEW, 10, 20),
            Start(Position(15, (12,), NEW), 0, 2),
            id="retention, of some parked ones",
        ),
        pytest.param(
            None,
            Position(5),
            Partition(NEW, 20, 20),
            Start(Position(20, (), NEW), 15, 0, gone(GROUP, 5, "15 messages were removed by retention", 20)),
            id="retention, of all",
        ),
        *(
            pytest.param(
                Position(15, (12, 13), OLD),
                Position(15, (), OLD),
                Partition(NEW, 0, end),
                Start(Position(0, (), NEW), 0, 2, gone(STORE, 15, "the topic was recreated", 0)),
                id=f"recreated, {what}",
            )
            for what, end in (("with fewer messages", 3), ("with as many", 15), ("with more", 40), ("empty", 0))
        ),
        pytest.param(
            None,
            Position(15, (), OLD),
            Partition(NEW, 0, 40),
            Start(Position(0, (), NEW), 0, 0, gone(GROUP, 15, "the topic was recreated", 0)),
            id="recreated, and the group was written to after it",
        ),
        pytest.param(
            Position(15, (12,)),
            None,
            Partition(None, 0, 3),
            Start(
                Position(0, (), None),
                0,
                1,
                gone(STORE, 15, "the topic was recreated, or has lost its newest messages", 0),
            ),
            id="behind the end, of a topic without id",
        ),
        pytest.param(
            Position(25, (12,), NEW),
            None,
            Partition(NEW, 10, 20),
            Start(Position(10, (), NEW), 0, 1, gone(STORE, 25, "the topic has lost its newest messages", 10)),
            id="behind the end, of the same topic",
        ),
    ],
)
def test_where_a_partition_begins(
    stored: Position | None, committed: Position | None, partition: Partition, expected: Start
) -> None:
    assert start(stored, committed, partition) == expected


HOUR = 3600


@pytest.mark.parametrize(
    ("begin", "committed", "delay", "snapshots"),
    [
        pytest.param(5, 5, 0, [(1, 5, None), (2, 5, None)], id="nothing comes"),
        pytest.param(5, None, 0, [(1, 5, 5), (2, 5, None)], id="what the store knew was not committed"),
        pytest.param(5, 3, 0, [(1, 5, 5), (2, 5, None)], id="the group is behind the store"),
        pytest.param(3, 5, 0, [(1, 3, 3), (2, 3, None)], id="the group is before the store"),
        pytest.param(0, None, 0, [(1, 0, 0), (2, 0, None)], id="an empty partition"),
        pytest.param(5, 5, 0, [(1, 8, None), (2, 8, 8), (3, 8, None)], id="a snapshot late"),
        pytest.param(5, 5, 0, [(1, 8, None), (2, 9, 8), (3, 12, 9), (4, 12, 12)], id="each a snapshot late"),
        pytest.param(
            5, 5, 10, [(1, 8, None), (2, 9, None), (10, 9, None), (11, 9, 8), (12, 9, 9)], id="when it is old enough"
        ),
        pytest.param(
            5, None, 10, [(1, 8, None), (9, 8, None), (10, 8, 5), (11, 8, 8)], id="the start, when old enough"
        ),
        pytest.param(
            5, 5, 0, [(1, 8, None), (2, 8, 8), (3, "refused", None), (3, 8, 8), (4, 8, None)], id="refused, nothing new"
        ),
        pytest.param(5, 5, 0, [(1, 8, None), (2, 9, 8), (3, "refused", None), (3, 9, 9)], id="refused, and more came"),
        pytest.param(
            5, 5, 0, [(1, 5, None), (HOUR - 1, 5, None), (HOUR, 5, 5), (HOUR + 1, 5, None)], id="again after an hour"
        ),
    ],
)
def test_what_is_committed(
    begin: int, committed: int | None, delay: int, snapshots: list[tuple[int, int | str, int | None]]
) -> None:
    commits = Commits(begin, committed, 0, delay)
    for now, offset, expected in snapshots:
        if isinstance(offset, str):
            commits.refused()
        else:
            assert commits.snapshot(now, offset) == expected, now
