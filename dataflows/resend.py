"""Messages sent again exactly once, by Kafka's transactions: the reader, the memory and the sender of a replay.

Every transaction holds messages, a marker for each of them, and the reader's place in its consumer group. The markers
are the memory: a message with a marker is never sent again, whatever order and filters earlier runs had. The place only
saves reading: nothing below it is left to send.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from messages.dead_letter import Original

T = TypeVar("T")

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""The time after which a request fails, or a read without messages."""

TRANSACTION_SECONDS = 30.0
"""A transaction that a kill left open blocks readers this long, or until the next run begins."""

_AT_ONCE = 500
_AT_ONCE_BYTES = 8 << 20

_FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED})
_RECORDS_FAULT = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.POLICY_VIOLATION,
    }
)

# librdkafka may purge the first messages after an abort along with those before it.
_PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
_ATTEMPTS = 10


class ReplayError(RuntimeError):
    """The replay cannot continue; the message is one line for a person."""


Place = tuple[str, int, int, int]
"""Topic, partition, offset and timestamp of an original."""


class _Refused(Exception):
    """A broker refuses a record of a transaction, which was aborted."""


class _Purged(Exception):
    """A transaction lost its messages to the purge of the one before, and was aborted."""


class Reader:
    """Reads a topic from the offsets of a consumer group to its present ends.

    Args:
        topic: A topic that exists.
        config: librdkafka's properties, with ``group.id``.
        whole: Read from the start, whatever the group's offsets are.
    """

    def __init__(self, topic: str, config: Mapping[str, Any], *, whole: bool = False) -> None:
        self.topic = topic
        self.consumer = Consumer(
            {
                **config,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        self._id = _topic_id(topic, config)
        self._ends = dict.fromkeys(_ask(self._partitions), 0)
        self.starts = self._begin(whole=whole)

    def read(self, stopping: Callable[[], bool] = lambda: False) -> Iterator[list[Message]]:
        """The messages, some hundreds at a time, in order within a partition. It ends early if ``stopping``.

        Raises:
            ReplayError: nothing came for a minute.
        """
        left = {partition for partition, start in self.starts.items() if start < self._ends[partition]}
        self.consumer.assign([TopicPartition(self.topic, partition, self.starts[partition]) for partition in left])
        batch: list[Message] = []
        size, deadline = 0, time.monotonic() + DEADLINE_SECONDS
        while left:
            if stopping():
                return
            polled = self.consumer.consume(_AT_ONCE, 0.5)
            if polled:
                deadline = time.monotonic() + DEADLINE_SECONDS
            elif time.monotonic() >= deadline:
                raise ReplayError(f"{self.topic}: no message came for {DEADLINE_SECONDS:.0f} s")
            for message in polled:
                partition, error = message.partition() or 0, message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        left.discard(partition)
                    elif not error.retriable():
                        raise ReplayError(f"{self.topic}: {error.str()}")
                    continue
                following = (message.offset() or 0) + 1
                if following <= self._ends[partition]:
                    batch.append(message)
                    size += len(message)
                if following >= self._ends[partition]:
                    left.discard(partition)
            if len(batch) >= _AT_ONCE or size >= _AT_ONCE_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def places(self, following: Mapping[int, int]) -> list[TopicPartition]:
        """Offsets to commit, by partition. They carry the topic's id, so they do not hold for a recreated topic."""
        return [
            TopicPartition(self.topic, partition, offset, self._id) for partition, offset in sorted(following.items())
        ]

    def close(self) -> None:
        """Leave the consumer group."""
        self.consumer.close()

    def _partitions(self) -> list[int]:
        topic = self.consumer.list_topics(self.topic, timeout=5).topics[self.topic]
        if topic.error is not None:  # a new topic is not known to every broker
            raise KafkaException(topic.error)
        return list(topic.partitions)

    def _begin(self, *, whole: bool) -> dict[int, int]:
        every = [TopicPartition(self.topic, partition) for partition in sorted(self._ends)]
        committed = {} if whole else {one.partition: one for one in _ask(lambda: self._committed(every))}
        starts = {}
        for one in every:
            earliest, self._ends[one.partition] = _ask(lambda: self.consumer.get_watermark_offsets(one, timeout=5))  # noqa: B023
            place = committed.get(one.partition)
            is_of_this = place is not None and place.metadata in {self._id, None, ""}
            known = place.offset if place is not None and is_of_this else earliest
            starts[one.partition] = known if earliest <= known <= self._ends[one.partition] else earliest
        return starts

    def _committed(self, places: list[TopicPartition]) -> list[TopicPartition]:
        committed: list[TopicPartition] = self.consumer.committed(places, timeout=5)
        for place in committed:
            if place.error is not None:
                raise KafkaException(place.error)
        return committed


class Memory:
    """The markers of sent originals: a compacted topic, in memory during a replay, at some 150 bytes a marker."""

    def __init__(self, topic: str, config: Mapping[str, Any]) -> None:
        self.topic, self._config = topic, config
        self._sent: set[bytes] = set()

    def create(self) -> None:
        """Create the topic if it does not exist.

        Raises:
            ReplayError: the cluster refuses.
        """
        topic = NewTopic(self.topic, 1, -1, config={"cleanup.policy": "compact"})
        admin = AdminClient(dict(self._config))  # its requests end with it
        (created,) = admin.create_topics([topic], operation_timeout=10).values()
        try:
            created.result(15)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ReplayError(f"topic {self.topic} cannot be created: {error.args[0].str()}") from None

    def recall(self) -> None:
        """Read all markers."""
        reader = Reader(self.topic, self._config, whole=True)
        try:
            for batch in reader.read():
                self._sent.update(message.key() or b"" for message in batch)
        finally:
            reader.close()

    def holds(self, original: Original) -> bool:
        """Whether the original was sent, or is about to be."""
        return _marker(original) in self._sent

    def keep(self, original: Original) -> None:
        """Note that the original is about to be sent."""
        self._sent.add(_marker(original))


def _marker(original: Original) -> bytes:
    # The timestamp tells records of a recreated topic from earlier records with their offsets.
    return f"{original.topic}-{original.partition}-{original.offset}-{original.timestamp}".encode()


class Sender:
    """Sends originals to the topics that they were read from, with their keys, headers and timestamps.

    Another sender of the same ``transactional.id`` takes over from this one.

    Raises:
        ReplayError: the brokers refuse the transactions.
    """

    def __init__(
        self, transactional_id: str, config: Mapping[str, Any], partitions: Mapping[str, int], memory: Memory
    ) -> None:
        self._partitions, self._memory = partitions, memory
        self._errors: list[KafkaError] = []
        # A longer time for a message than for its transaction is refused.
        wanted = {name: value for name, value in config.items() if name not in _TIMEOUTS}
        with _one_line():
            self._producer = Producer(
                {
                    "partitioner": "murmur2_random",
                    "compression.type": "lz4",
                    **wanted,
                    "transactional.id": transactional_id,
                    "transaction.timeout.ms": int(TRANSACTION_SECONDS * 1000),
                    "on_delivery": self._on_delivery,
                }
            )
            _again(lambda: self._producer.init_transactions(DEADLINE_SECONDS))

    def send(self, originals: Sequence[Original], places: list[TopicPartition], reader: Reader) -> dict[Place, str]:
        """Send originals and commit places, in one transaction.

        Returns:
            The originals that their topics refuse, and why. If there are any, the others were sent in several
            transactions, and the places were not committed.

        Raises:
            ReplayError: another replay took over, or the brokers refuse the transaction.
        """
        if not originals and not places:
            return {}
        with _one_line():
            try:
                self._insist(originals, places, reader)
            except _Refused as refused:
                if len(originals) == 1:
                    return {originals[0][:4]: str(refused)}
                middle = len(originals) // 2
                first = self.send(originals[:middle], [], reader)
                return first | self.send(originals[middle:], [], reader)
        return {}

    def _insist(self, originals: Sequence[Original], places: list[TopicPartition], reader: Reader) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                return self._transaction(originals, places, reader)
            except _Purged:
                time.sleep(0.1 * attempt)
        raise ReplayError("Kafka does not take a transaction: its messages are purged each time")

    def _transaction(self, originals: Sequence[Original], places: list[TopicPartition], reader: Reader) -> None:
        self._errors.clear()
        self._producer.begin_transaction()
        try:
            for original in originals:
                self._produce(original)
            if self._producer.flush(TRANSACTION_SECONDS) or self._errors:
                raise KafkaException(self._errors[0] if self._errors else KafkaError(KafkaError._TIMED_OUT))
            if places:
                group = reader.consumer.consumer_group_metadata()
                _again(lambda: self._producer.send_offsets_to_transaction(places, group, DEADLINE_SECONDS))
            _again(lambda: self._producer.commit_transaction(DEADLINE_SECONDS))
        except KafkaException as error:
            faults = {one.code(): one for one in [error.args[0], *self._errors]}
            refusals = faults.keys() & _RECORDS_FAULT
            if not refusals and not faults.keys() <= _PURGED:
                raise
            _again(lambda: self._producer.abort_transaction(DEADLINE_SECONDS))
            self._producer.flush(TRANSACTION_SECONDS)
            raise _Refused(faults[min(refusals)].str()) if refusals else _Purged from None

    def _produce(self, original: Original) -> None:
        options: dict[str, Any] = {}
        if original.timestamp > 0:
            options["timestamp"] = original.timestamp
        if original.headers:
            options["headers"] = original.headers
        if original.partition < self._partitions[original.topic]:
            options["partition"] = original.partition
        self._producer.produce(original.topic, original.value, original.key, **options)
        self._producer.produce(self._memory.topic, b"", _marker(original))

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._errors.append(error)


_TIMEOUTS = frozenset({"message.timeout.ms", "delivery.timeout.ms", "transaction.timeout.ms"})


def partitions_of(topics: Collection[str], config: Mapping[str, Any]) -> dict[str, int]:
    """The number of partitions of each topic that exists."""
    found = _ask(lambda: AdminClient(dict(config)).list_topics(timeout=5)).topics
    return {name: len(found[name].partitions) for name in topics if name in found and found[name].error is None}


def _topic_id(topic: str, config: Mapping[str, Any]) -> str:
    """The topic's id; empty if the brokers do not tell."""
    try:
        admin = AdminClient(dict(config))
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=10)
        return str(described[topic].result(15).topic_id)
    except Exception as error:  # old brokers, or no right to ask
        log.debug("%s: its id is not known: %s", topic, error)
        return ""


def _ask(request: Callable[[], T]) -> T:
    """Repeat a request until there is an answer.

    Raises:
        ReplayError: there was no answer in time.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return request()
        except KafkaException as error:
            if time.monotonic() >= deadline:
                raise ReplayError(f"Kafka: {error.args[0].str()}") from None
        time.sleep(0.2)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (KafkaException, SystemError) as error:
        # librdkafka's client sets the exception of a fatal error, and may call back all the same: a SystemError.
        trouble = error if isinstance(error, KafkaException) else error.__cause__
        if not isinstance(trouble, KafkaException):
            raise
        if trouble.args[0].code() in _FENCED:
            raise ReplayError("another replay was started, and goes on from here") from None
        raise ReplayError(f"Kafka does not take a transaction: {trouble.args[0].str()}") from None


def _again(step: Callable[[], None]) -> None:
    """Run a step of a transaction, and retry it while the error is retriable."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return step()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() >= deadline:
                raise
