"""One consumer for all partitions of a topic that a worker reads.

A consumer a partition costs four threads and a queue each. librdkafka's limits of what is read ahead hold for the queue
of a consumer, so that with one consumer they hold for all its partitions together.

What is polled is of any partition, and waits in its ``Inbox`` until the flow asks for it. A partition that the flow
does not want to read is taken from the consumer, and given back at the same offset later: the others are not held up.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar, cast

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter

from messages.message import Message
from sources.kafka.position import Position, from_commit, to_metadata
from sources.kafka.watch import Watch

T = TypeVar("T")

log = logging.getLogger(__package__)

_errors = Counter("kafka_source_errors", "Errors that librdkafka reported and recovers from by itself", ["topic"])

MAX_MESSAGES = 500
"""The most messages of a poll. The steps behind the source process the polls of all partitions one after the other, so
what they process at a time should fit the processor's caches: with eight times as many a rating takes a third more
CPU."""

_MAX_WAITING = 2 * MAX_MESSAGES
"""The most messages that wait in all inboxes while their partitions sleep. (With five times as many, reading takes a
tenth more CPU.)"""
_MESSAGE_BYTES = 512
"""The most memory that librdkafka needs for a message in addition to its bytes."""
_REQUEST_SECONDS = 30.0
_REPORT_SECONDS = 10.0
_CLOSE_SECONDS = 10.0

_COORDINATOR_MOVES = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)

_partition, _error = confluent_kafka.Message.partition, confluent_kafka.Message.error


class Reader:
    """Reads partitions of a topic, in the thread that made it.

    Args:
        topic: its name.
        config: librdkafka's properties.
        max_bytes: approximate memory for messages that were read ahead.
        watch: of the topic; closed with the reader.
        on_close: called when the last inbox has been closed, and the reader with it.
    """

    def __init__(
        self, topic: str, config: dict[str, Any], max_bytes: int, watch: Watch, on_close: Callable[[], None]
    ) -> None:
        self.topic, self.watch, self._on_close = topic, watch, on_close
        self._consumer = Consumer(
            {
                "fetch.wait.max.ms": 100,
                # By default librdkafka rests for a second when the queue is full, and we have emptied it before.
                "fetch.queue.backoff.ms": 10,
                **_limits(max_bytes),
                **config,
                "enable.auto.commit": False,
                # Offsets that retention has removed are for us to count, not for librdkafka to pass over.
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "error_cb": self.tell,
                "on_commit": self._on_commit,
            }
        )
        self._inboxes: dict[int, Inbox] = {}
        self._told: dict[int, float] = {}  # when, by error code
        self._committed: dict[int, Position | None] = {}
        self._max_bytes = max_bytes // 4
        self._waiting = self._waiting_bytes = 0
        self.is_behind = False
        """The last poll was full: there is more."""

    def open(self, partition: int) -> "Inbox":
        """The inbox of a partition, which must be told where to begin: ``Inbox.go_to``."""
        inbox = self._inboxes[partition] = Inbox(self, partition)
        return inbox

    def close(self, partition: int) -> None:
        """The inbox of the partition is closed; with the last one the reader is."""
        del self._inboxes[partition]
        if not self._inboxes:
            self._close_consumer()
            self.watch.close()
            self._on_close()

    def watermarks(self, partition: int) -> tuple[int, int]:
        """The earliest offset and the end. The leader of a topic just made may refuse for a moment: ask again.

        Raises:
            KafkaException: there was no answer within 30 s.
        """
        at = TopicPartition(self.topic, partition)
        return insist(lambda: self._consumer.get_watermark_offsets(at, timeout=_REQUEST_SECONDS))

    def known_end(self, partition: int) -> int:
        """The end of the partition as the last answer to the consumer had it, without asking; negative: not known."""
        return self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)[1]

    def committed(self, partition: int) -> Position | None:
        """The group's position at the first call. A broker that has just started may not know it: ask again.

        Raises:
            KafkaException: the group is refused to us, or there was no answer within 30 s.
        """
        if not self._committed:
            partitions = self.watch.topic.partitions
            self._committed = insist(lambda: self._ask_group(partitions), _COORDINATOR_MOVES)
        return self._committed[partition]

    def commit(self, partition: int, offset: int) -> None:
        """Commit the offset; a failure is told by ``Inbox.refused``."""
        metadata = to_metadata(self.watch.topic.id)
        at = TopicPartition(self.topic, partition, offset, metadata)
        self._consumer.commit(offsets=[at], asynchronous=True)

    def poll(self) -> None:
        """Move what has come to the inboxes, unless there is much in them."""
        if self._waiting >= _MAX_WAITING or self._waiting_bytes >= self._max_bytes:
            return
        polled = self._consumer.consume(MAX_MESSAGES, 0)
        self.is_behind = len(polled) == MAX_MESSAGES
        if not polled:
            return
        if any(map(_error, polled)):
            self._distribute_errors(polled)
            polled = [message for message in polled if message.error() is None]
        partitions = set(map(_partition, polled))
        if len(partitions) == 1:
            self._distribute(partitions.pop(), polled)
            return
        several: dict[int | None, list[confluent_kafka.Message]] = defaultdict(list)
        for message in polled:
            several[message.partition()].append(message)
        for partition, messages in several.items():
            self._distribute(partition, messages)

    def assign(self, partition: int, offset: int) -> None:
        """Read the partition from there on."""
        self._consumer.incremental_assign([TopicPartition(self.topic, partition, offset)])

    def unassign(self, partition: int) -> None:
        """Read the partition no longer: of what has been read of it, nothing comes any more."""
        self._consumer.incremental_unassign([TopicPartition(self.topic, partition)])

    def wait(self, messages: int, size: int) -> None:
        """Count messages and bytes that wait in the inboxes now."""
        self._waiting += messages
        self._waiting_bytes += size

    def tell(self, error: KafkaError) -> None:
        """Count an error that librdkafka goes on from, and log it, the same one at most every ten seconds."""
        _errors.labels(self.topic).inc()
        now = time.monotonic()
        if now >= self._told.get(error.code(), -_REPORT_SECONDS) + _REPORT_SECONDS:
            self._told[error.code()] = now
            log.warning("%s: %s", self.topic, error.str(), extra={"event": "an error while a topic is read"})

    def _close_consumer(self) -> None:
        # It tries to commit until the brokers answer, for 45 s if they do not.
        closing = threading.Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if closing.is_alive():
            log.warning("%s: the consumer is left as it is: it did not close in %.0f s", self.topic, _CLOSE_SECONDS)

    def _distribute(self, partition: int | None, messages: list[confluent_kafka.Message]) -> None:
        inbox = self._inboxes.get(partition)  # type: ignore[arg-type]
        if inbox is not None:
            inbox.put(cast("list[Message]", messages))

    def _distribute_errors(self, messages: Iterable[confluent_kafka.Message]) -> None:
        for message in messages:
            error = message.error()
            if error is None:
                continue
            partition, offset = message.partition(), message.offset()
            # What is of no partition is for each of them: an error that ends the flow need only reach one.
            inboxes = [self._inboxes[partition]] if partition in self._inboxes else self._inboxes.values()
            for inbox in inboxes:
                inbox.errors.append((error, offset))

    def _ask_group(self, partitions: Collection[int]) -> dict[int, Position | None]:
        places = [TopicPartition(self.topic, partition) for partition in partitions]
        committed = self._consumer.committed(places, timeout=_REQUEST_SECONDS)
        for one in committed:
            if one.error is not None:
                raise KafkaException(one.error)
        return {one.partition: from_commit(one.offset, one.metadata) for one in committed}

    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        for at in offsets:
            if at.partition in self._inboxes:
                self._inboxes[at.partition].answer_commit(error or at.error)


class Inbox:
    """What was read of a partition and not taken yet."""

    def __init__(self, reader: Reader, partition: int) -> None:
        self._reader, self._partition = reader, partition
        self._messages: list[Message] = []
        self._bytes = 0
        self._is_assigned = False
        self.position = 0
        """The offset of the next message that is taken."""
        self.errors: list[tuple[KafkaError, int | None]] = []
        """What came behind the messages, with the offset, if it has one."""
        self.refused: KafkaError | None = None
        """Why the last commit failed; None: it did not fail, or the failure was dealt with."""
        self._is_refusal_told = False

    def put(self, messages: list[Message]) -> None:
        """The reader has read these."""
        if not self._is_assigned:
            return
        size = sum(map(len, messages))  # type: ignore[arg-type]  # the length of the value
        self._messages = self._messages + messages if self._messages else messages
        self._bytes += size
        self._reader.wait(len(messages), size)

    def take(self) -> list[Message]:
        """The next messages, at most ``MAX_MESSAGES``."""
        if not self._is_assigned:
            self._reader.assign(self._partition, self.position)
            self._is_assigned = True
        if len(self._messages) < MAX_MESSAGES:
            self._reader.poll()
        if not self._messages:
            return []
        if len(self._messages) <= MAX_MESSAGES:
            taken, size, self._messages = self._messages, self._bytes, []
        else:
            taken, self._messages = self._messages[:MAX_MESSAGES], self._messages[MAX_MESSAGES:]
            size = sum(map(len, taken))  # type: ignore[arg-type]
        self._bytes -= size
        self._reader.wait(-len(taken), -size)
        self.position = (taken[-1].offset() or 0) + 1
        return taken

    def take_errors(self) -> list[tuple[KafkaError, int | None]]:
        """The errors, once the messages before them have been taken."""
        if not self.errors or self._messages:
            return []
        errors, self.errors = self.errors, []
        return errors

    def answer_commit(self, error: KafkaError | None) -> None:
        """A commit has failed with this error, or has not."""
        if error is not None and not self._is_refusal_told:
            what = "%s-%d: the offset was not committed, and will be tried again: %s"
            log.warning(what, self._reader.topic, self._partition, error.str())
        self.refused, self._is_refusal_told = error, error is not None

    def go_to(self, offset: int) -> None:
        """Take messages from this offset on."""
        self._drop()
        self.position = offset

    def hold(self) -> None:
        """Nothing is taken for now: what waits here is read again later, and makes room for other partitions."""
        self._drop()
        self._reader.poll()  # serves callbacks, too

    def close(self) -> None:
        """Nothing is taken any more."""
        self._drop()
        self._reader.close(self._partition)

    def _drop(self) -> None:
        if self._is_assigned:
            self._reader.unassign(self._partition)
            self._is_assigned = False
        self._reader.wait(-len(self._messages), -self._bytes)
        self._messages, self._bytes, self.errors = [], 0, []


def _limits(max_bytes: int) -> dict[str, int]:
    """What bounds a consumer's memory: its queue counts the bytes and the number of messages, not what each costs."""
    return {
        "queued.max.messages.kbytes": max(max_bytes // 2 // 1024, 1),
        "queued.min.messages": max(max_bytes // 4 // _MESSAGE_BYTES, 1),
        # Added to a queue that is nearly full.
        "fetch.max.bytes": max(max_bytes // 4, 1),
    }


def insist(ask: Callable[[], T], passing: Collection[int] | None = None) -> T:
    """Ask again for 30 s while the broker refuses; with the ``passing`` error codes only, if they are given.

    Raises:
        KafkaException: another refusal, or the last.
    """
    deadline = time.monotonic() + _REQUEST_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            passes = passing is None or error.args[0].code() in passing
            if not passes or time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
