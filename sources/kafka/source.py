"""The source: its options and its partitions."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import KafkaError, KafkaException
from typing_extensions import override

from messages.message import Message, Poll
from sources.epochs import BYTEWAX_DEFAULT, Epochs, Shared
from sources.failures import log_failures
from sources.kafka.partition import KafkaPartition, VacantPartition
from sources.kafka.position import Position
from sources.kafka.reader import Reader, insist
from sources.kafka.state import PartitionState, pack, unpack
from sources.kafka.watch import Topic, watcher


@dataclass(frozen=True)
class KafkaSource(FixedPartitionedSource[Poll, bytes]):
    """Reads all partitions of a topic. A topic that changes (more partitions, recreated) ends the flow with a line.

    A partition resumes at the position in the recovery store, else at the group's committed offset, else at the
    earliest. The position and the offset of an earlier topic of the same name are not used: they hold the topic's id.

    Offsets are committed one snapshot late: every output has written the records below them. No message below a
    committed offset is parked (``unready``), so that parked messages are read again without a recovery store, too.
    """

    topic: str
    config: dict[str, Any] = field(repr=False)
    """librdkafka's properties; ``group.id`` is needed."""
    whole_topic: bool = False
    """For a topic that is a table: begin at the earliest offset at every start, and mark the poll that reaches the end
    that the topic had then (``Poll.loaded_of``)."""
    ready: Callable[[], bool] = lambda: True
    """Nothing is read before this holds."""
    stopping: Callable[[], bool] = lambda: False
    """Once this holds every partition ends, and with them the flow, after a last snapshot."""
    commit_after: timedelta = timedelta(0)
    """The age at which offsets are committed: as long as the flow may hold a record back without a recovery store."""
    epoch: timedelta = BYTEWAX_DEFAULT
    """The flow's epoch interval."""
    max_bytes: int = 64 << 20
    """About the memory that a worker's partitions take together for messages that they have read ahead."""
    max_messages_per_epoch: int = 500_000
    """A partition reads no more between two snapshots. This bounds Bytewax's queues between processes, which have no
    bound of their own."""
    unready: Callable[[list[Message]], Collection[int]] | None = None
    """The indexes of the messages that cannot be decoded yet, for example because a schema registry is away. It is
    called when messages are read, and for parked ones twice a second; it must neither raise nor block for long. Such
    messages are parked while others go on. None: no message is parked."""
    park_by_key: bool = False
    """For a topic that is a table: park later messages of a parked message's key, too."""
    max_parked: int = 10_000
    """A partition with this many parked messages reads no further (a poll may take it over that once)."""
    max_parked_bytes: int = 64 * 1024 * 1024
    """The same in bytes of keys and values."""
    stored: Collection[str] = ()
    """The partitions that the recovery store has state of. Bytewax wants all of them listed: those that the topic does
    not have (it was recreated with fewer, or is another one) stay silent."""
    _topics: dict[str, Topic] = field(default_factory=dict)
    """The topic as it was at the start, by its name."""
    _readers: dict[int, Reader] = field(default_factory=dict)
    """By the thread of their worker."""
    _shared: dict[int, Shared] = field(default_factory=lambda: defaultdict(Shared))
    """Likewise."""

    @property
    def name(self) -> str:
        """The source's name in the log."""
        return self.topic

    @override
    @log_failures
    def list_parts(self) -> list[str]:
        """The partitions, named so that their order as text is their order.

        Raises:
            KafkaException: there is no such topic, or the brokers do not answer.
        """
        topic = insist(self._describe)
        self._topics[self.topic] = topic
        return sorted({*self.stored, *(f"{partition:05d}" for partition in topic.partitions)})

    @override
    @log_failures
    def build_part(
        self, step_id: str, for_part: str, resume_state: bytes | None
    ) -> StatefulSourcePartition[Poll, bytes]:
        """Build a partition.

        Raises:
            KafkaException: the brokers do not tell its offsets.
            StateError: this version cannot resume its state.
        """
        partition, thread = int(for_part), threading.get_ident()
        state = None
        if resume_state is not None:
            state = unpack(resume_state, f"partition {partition} of {step_id}")
        epochs = Epochs(self.epoch, self._shared[thread])
        if partition not in self._topics[self.topic].partitions:
            return VacantPartition(self, epochs, pack(state or PartitionState(self.topic, Position(0))))
        position = state.position if state is not None and state.topic == self.topic else None
        return KafkaPartition(self, self._reader(thread), epochs, partition, position)

    def _describe(self) -> Topic:
        topic = watcher(self.config).describe(self.topic)
        if topic is None:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return topic

    def _reader(self, thread: int) -> Reader:
        if thread not in self._readers:
            watch = watcher(self.config).watch(self.topic, self._topics[self.topic])
            forget = partial(self._readers.__delitem__, thread)
            self._readers[thread] = Reader(self.topic, self.config, self.max_bytes, watch, forget)
        return self._readers[thread]
