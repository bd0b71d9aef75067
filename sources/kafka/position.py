"""Where a partition goes on, and which offset its group commits. Decisions only: no consumer, no clock, no log."""

from collections import deque
from typing import Any, NamedTuple

State = dict[str, Any] | tuple[str, int] | tuple[str, int, tuple[int, ...]]
"""What a partition keeps in the recovery store: ``to_state``. Earlier versions kept tuples: the topic, the offset of
the next message and, if there were any, the offsets of those set aside."""

_COMMIT_AGAIN_SECONDS = 3600.0
_METADATA = "topic-id:"


class Position(NamedTuple):
    """How far an earlier run has read a partition."""

    next: int
    """The offset of the next message."""
    aside: tuple[int, ...] = ()
    """The offsets of messages below it that are set aside, rising."""
    topic_id: str | None = None
    """The id of the topic that was read; None: the brokers had none, or nobody wrote it down."""


class Partition(NamedTuple):
    """What the brokers know of a partition."""

    topic_id: str | None
    earliest: int
    end: int


class Start(NamedTuple):
    """Where reading begins."""

    position: Position
    removed: int = 0
    """So many messages are gone that were never read ..."""
    aside_removed: int = 0
    """... and so many that were set aside."""
    reason: str = ""
    """Why it does not begin where the earlier run has ended; empty if it does."""


def to_state(topic: str, position: Position) -> State:
    """What the recovery store keeps."""
    return {"version": 2, "topic": topic, "id": position.topic_id, "next": position.next, "aside": position.aside}


def from_state(topic: str, state: State | None) -> Position | None:
    """The position that the recovery store has kept; None: there is none, or it is that of another topic."""
    if isinstance(state, dict):
        return Position(state["next"], state["aside"], state["id"]) if state["topic"] == topic else None
    if state is None or state[0] != topic:
        return None
    return Position(state[1], state[2] if len(state) == 3 else ())


def to_metadata(topic_id: str | None) -> str | None:
    """What is committed with an offset.

    Kafka drops the offsets of a deleted topic, but a job that has not noticed the deletion commits them again.
    """
    return None if topic_id is None else _METADATA + topic_id


def from_commit(offset: int, metadata: str | None) -> Position | None:
    """The group's position; None: it has committed none."""
    if offset < 0:
        return None
    known = metadata is not None and metadata.startswith(_METADATA)
    return Position(offset, (), metadata.removeprefix(_METADATA) if metadata and known else None)


def start(stored: Position | None, committed: Position | None, partition: Partition) -> Start:
    """Where a partition is read from: where the recovery store says, else where the group says, else the earliest."""
    if stored is not None:
        return resume(stored, partition, "the offset in the recovery store")
    if committed is not None:
        return resume(committed, partition, "the offset in the consumer group")
    return Start(Position(partition.earliest, (), partition.topic_id))


def resume(wanted: Position, partition: Partition, what: str) -> Start:
    """Where a partition is read from, when it was read up to ``wanted``: there, or else from the earliest offset.

    Of a topic that has lost its newest messages (an unclean leader election) nobody can tell which of those below the
    end are new: what is left is read again.
    """
    topic_id, earliest, end = partition
    if wanted.topic_id is not None and topic_id is not None and wanted.topic_id != topic_id:
        why = "the topic was made anew"
    elif wanted.next > end:
        why = "the topic was made anew, or has lost its newest messages"
        if wanted.topic_id is not None and topic_id is not None:
            why = "the topic has lost its newest messages"
    else:
        aside = tuple(offset for offset in wanted.aside if offset >= earliest)
        removed = max(0, earliest - wanted.next)
        reason = _reason(what, wanted.next, f"{removed} messages were removed by retention", earliest)
        position = Position(max(wanted.next, earliest), aside, topic_id)
        return Start(position, removed, len(wanted.aside) - len(aside), reason if removed else "")
    return Start(Position(earliest, (), topic_id), 0, len(wanted.aside), _reason(what, wanted.next, why, earliest))


def _reason(what: str, wanted: int, why: str, earliest: int) -> str:
    return f"{what}, {wanted}, is not there ({why}): reading from {earliest}"


class Commits:
    """The offsets that a partition commits.

    The offset of a snapshot is committed when the next one is taken, because its epoch is then written everywhere, and
    only once it is old enough. An unchanged offset is committed again each hour: a group may expire or be changed.

    Args:
        start: where reading began, all below has been written by an earlier run.
        committed: what the group has; None: nothing, or nothing of this topic.
        now: seconds, of any clock.
        delay: seconds that an offset must be old.
    """

    def __init__(self, start: int, committed: int | None, now: float, delay: float) -> None:
        self._snapshots: deque[tuple[float, int]] = deque([(now, start)])  # when, and the offset
        self._due: int | None = None
        self._committed, self._committed_at, self._delay = committed, now, delay

    def snapshot(self, now: float, offset: int) -> int | None:
        """A snapshot is taken that holds this offset: the one that must be committed now, if any."""
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
        """The last one was not committed: the next snapshot tries again."""
        self._committed = None
