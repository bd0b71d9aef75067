"""The source: its options and its partitions."""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import KafkaError, KafkaException
from typing_extensions import override

from messages.message import Message, Poll
from sources.epochs import Pause
from sources.failures import log_failures
from sources.kafka.partition import KafkaPartition, VacantPartition
from sources.kafka.position import State
from sources.kafka.reader import Reader, insist
from sources.kafka.watch import Topic, watcher


@dataclass(frozen=True)
class KafkaSource(FixedPartitionedSource[Poll, State]):
    """Reads all partitions of a topic. When the topic changes (more partitions, made anew) the flow ends with a line.

    Without state in the recovery store a partition goes on from the group's committed offset, else from the earliest.
    State and offsets of an earlier topic of the same name are not used: they hold the topic's id.

    Offsets are committed one snapshot late: what is committed has been written by every output. Nothing below a
    committed offset is set aside (``unready``), so what is aside is read again without a recovery store, too.
    """

    topic: str
    config: dict[str, Any] = field(repr=False)
    """librdkafka's properties; ``group.id`` is needed."""
    whole_topic: bool = False
    """Begin at the earliest offset at every start, and mark the poll that reaches the end of that moment
    (``Poll.loaded_of``): for a topic that is a table."""
    ready: Callable[[], bool] = lambda: True
    """Nothing is read before this holds."""
    stopping: Callable[[], bool] = lambda: False
    """Once this holds every partition ends, and with them the flow, after a last snapshot."""
    commit_after: timedelta = timedelta(0)
    """Commit offsets only when they are so old: as long as the flow may hold a record back without a recovery store."""
    max_bytes: int = 64 << 20
    """About so much memory a worker's partitions take together for what they have read ahead."""
    max_messages_per_epoch: int = 500_000
    """A partition reads no more between two snapshots: bounds what waits between processes, where Bytewax's queues
    have no bound."""
    unready: Callable[[list[Message]], Collection[int]] | None = None
    """Which of these messages, by index, cannot be decoded yet, for example because a schema registry is away: asked
    when they are read, and again twice a second. It must neither raise nor block for long. They are set aside, the
    others go on. None: nothing is set aside."""
    aside_by_key: bool = False
    """What has the key of a message that is aside, and comes after it, waits, too: for a topic that is a table."""
    max_aside: int = 10_000
    """A partition that has set so many messages aside reads no further (a poll may take it over that once)."""
    max_aside_bytes: int = 64 * 1024 * 1024
    """Likewise in bytes, of keys and values."""
    stored: Collection[str] = ()
    """Partitions that the recovery store has state of. Bytewax wants them all listed: those that the topic does not
    have (it was made anew with fewer, or is another one) stay silent."""
    _topics: dict[str, Topic] = field(default_factory=dict)
    """The topic as it was at the start, by its name."""
    _readers: dict[int, Reader] = field(default_factory=dict)
    """By the thread of their worker."""
    _pause: Pause = field(default_factory=Pause)

    @property
    def name(self) -> str:
        """What the log calls it."""
        return self.topic

    @override
    @log_failures
    def list_parts(self) -> list[str]:
        """The partitions, named so that their order as text is their order.

        Raises:
            KafkaException: there is no such topic, or nobody tells.
        """
        topic = insist(self._describe)
        self._topics[self.topic] = topic
        return sorted({*self.stored, *(f"{partition:05d}" for partition in topic.partitions)})

    @override
    @log_failures
    def build_part(
        self, step_id: str, for_part: str, resume_state: State | None
    ) -> StatefulSourcePartition[Poll, State]:
        partition = int(for_part)
        if partition not in self._topics[self.topic].partitions:
            return VacantPartition(self, resume_state)
        return KafkaPartition(self, self._reader(), partition, resume_state)

    def _describe(self) -> Topic:
        topic = watcher(self.config).describe(self.topic)
        if topic is None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return topic

    def _reader(self) -> Reader:
        thread = threading.get_ident()
        if thread not in self._readers:
            watch = watcher(self.config).watch(self.topic, self._topics[self.topic])
            forget = partial(self._readers.__delitem__, thread)
            self._readers[thread] = Reader(self.topic, self.config, self.max_bytes, watch, forget)
        return self._readers[thread]
