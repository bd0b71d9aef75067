"""Where a partition resumes, and which offset it commits. Pure: no consumer, no clock, no log."""

from collections import deque
from typing import NamedTuple

import msgspec

_COMMIT_AGAIN_SECONDS = 3600.0
_METADATA = "topic-id:"


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a partition was read. It is part of ``PartitionState``."""

    next: int
    """The offset of the next message."""
    parked: tuple[int, ...] = ()
    """The offsets of parked messages below it, rising."""
    topic_id: str | None = None
    """The id of the topic that was read; None: the brokers told none, or another tool committed the offset."""


class Partition(NamedTuple):
    """What the brokers know of a partition."""

    topic_id: str | None
    earliest: int
    end: int


class Start(NamedTuple):
    """Where reading begins."""

    position: Position
    removed: int = 0
    """Messages that retention removed before they were read."""
    parked_removed: int = 0
    """Parked messages that are no longer on the topic."""
    reason: str = ""
    """Why reading does not begin where the last run ended; empty if it does."""


def to_metadata(topic_id: str | None) -> str | None:
    """The metadata that is committed with an offset.

    Kafka drops the offsets of a deleted topic, but a job that has not noticed the deletion commits them again: the id
    tells that they are of the deleted topic.
    """
    return None if topic_id is None else _METADATA + topic_id


def from_commit(offset: int, metadata: str | None) -> Position | None:
    """The group's position; None: the group has committed none."""
    if offset < 0:
        return None
    known = metadata is not None and metadata.startswith(_METADATA)
    return Position(offset, (), metadata.removeprefix(_METADATA) if metadata and known else None)


def start(stored: Position | None, committed: Position | None, partition: Partition) -> Start:
    """Where reading begins: at the position of the recovery store, else of the group, else at the earliest offset."""
    if stored is not None:
        return resume(stored, partition, "the offset in the recovery store")
    if committed is not None:
        return resume(committed, partition, "the offset in the consumer group")
    return Start(Position(partition.earliest, (), partition.topic_id))


def resume(wanted: Position, partition: Partition, what: str) -> Start:
    """Where reading begins after an earlier run had read up to ``wanted``: there, or else at the earliest offset.

    A topic can lose its newest messages in an unclean leader election. Its offsets are then given to other messages,
    and nothing tells which of those below the end are new: all messages that are left are read again.

    Args:
        wanted: the position of the earlier run.
        partition: what the brokers know now.
        what: what the reason calls the position.
    """
    topic_id, earliest, end = partition
    if wanted.topic_id is not None and topic_id is not None and wanted.topic_id != topic_id:
        why = "the topic was recreated"
    elif wanted.next > end:
        why = "the topic was recreated, or has lost its newest messages"
        if wanted.topic_id is not None and topic_id is not None:
            why = "the topic has lost its newest messages"
    else:
        parked = tuple(offset for offset in wanted.parked if offset >= earliest)
        removed = max(0, earliest - wanted.next)
        reason = _reason(what, wanted.next, f"{removed} messages were removed by retention", earliest)
        position = Position(max(wanted.next, earliest), parked, topic_id)
        return Start(position, removed, len(wanted.parked) - len(parked), reason if removed else "")
    return Start(Position(earliest, (), topic_id), 0, len(wanted.parked), _reason(what, wanted.next, why, earliest))


def _reason(what: str, wanted: int, why: str, earliest: int) -> str:
    return f"{what}, {wanted}, is not there ({why}): reading from {earliest}"


class Commits:
    """The offsets that a partition commits.

    The offset of a snapshot is committed with the next snapshot at the earliest: by then the outputs have written the
    epoch. An unchanged offset is committed again each hour, because a group can expire or be changed.

    Args:
        start: where reading began; an earlier run has written all records below it.
        committed: the group's offset; None: it has none, or none of this topic.
        now: seconds, of any clock.
        delay: the age in seconds at which an offset is committed.
    """

    def __init__(self, start: int, committed: int | None, now: float, delay: float) -> None:
        self._snapshots: deque[tuple[float, int]] = deque([(now, start)])  # when, and the offset
        self._due: int | None = None
        self._committed, self._committed_at, self._delay = committed, now, delay

    def snapshot(self, now: float, offset: int) -> int | None:
        """Note the offset of a snapshot, and return the offset to commit now, if any."""
        while self._snapshots and self._snapshots[0][0] <= now - self._delay:
            self._due = self._snapshots.popleft()[1]
        if offset != (self._snapshots[-1][1] if self._snapshots else self._due):
            self._snapshots.append((now, offset))
        is_known = self._due == self._committed and now - self._committed_at < _COMMIT_AGAIN_SECONDS
        if self._due is None or is_known:
            return None
        self._committed, self._committed_at = self._due, now
        return self._due

    def refused(self) -> None:
        """The last commit failed: the next snapshot tries again."""
        self._committed = None
