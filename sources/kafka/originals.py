"""Reads messages again, by partition and offset."""

import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from messages.message import Message

Place = tuple[int, int]
"""Partition and offset."""

_DEADLINE_SECONDS = 120.0
"""As long as a snapshot waits for Kafka's acknowledgements by default."""
_ANSWER_SECONDS = 10.0
"""A request that has no answer within this is sent again."""
_GONE_SECONDS = 10.0
_POLL_SECONDS = 0.01
"""`consume` waits for as many messages as it may return, or this long."""
_MAX_MESSAGES = 500
_FAR = 2_000
"""Seek over gaps larger than this many offsets."""

_NO_PARTITION = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION},
)


class Originals:
    """Reads messages of a topic again. Use it from one thread at a time.

    Its consumer is made at the first ``read``, and commits nothing.

    Args:
        topic: the topic of the messages.
        config: librdkafka's properties, as the source of the topic has them; ``group.id`` is needed.
        deadline: the seconds that one ``read`` may take.
        gone: the seconds of a ``read`` in which a partition is asked for again that does not exist, as they say. A
            broker that has just started says so of those that it has.
    """

    def __init__(
        self, topic: str, config: dict[str, Any], deadline: float = _DEADLINE_SECONDS, gone: float = _GONE_SECONDS
    ) -> None:
        self._topic, self._config, self._seconds, self._gone = topic, config, deadline, gone
        self._consumer: Consumer | None = None

    def read(self, places: Iterable[Place]) -> dict[Place, Message]:
        """Read the messages at these places, without those that retention or compaction has removed.

        Raises:
            KafkaException: the brokers did not answer within the deadline, or refuse the request.
        """
        wanted: dict[int, set[int]] = defaultdict(set)
        for partition, offset in places:
            wanted[partition].add(offset)
        messages: dict[Place, Message] = {}
        now = time.monotonic()
        until, gone_at = now + self._seconds, now + self._gone
        for partition, offsets in sorted(wanted.items()):
            for message in self._read(partition, sorted(offsets), until, gone_at):
                messages[partition, message.offset() or 0] = message
        return messages

    def close(self) -> None:
        """Close the consumer. The next ``read`` makes another."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _read(self, partition: int, offsets: list[int], until: float, gone_at: float) -> list[Message]:
        """The messages of a partition at these offsets, which rise."""
        consumer = self._consumer = self._consumer or self._connect()
        earliest, end = self._watermarks(consumer, partition, until, gone_at)
        left = [offset for offset in reversed(offsets) if earliest <= offset < end]
        messages: list[Message] = []
        position = -_FAR
        try:
            while left:
                if left[-1] - position >= _FAR:
                    position = left[-1]
                    consumer.assign([TopicPartition(self._topic, partition, position)])
                for polled in consumer.consume(_MAX_MESSAGES, min(_POLL_SECONDS, _remaining(until))):
                    error, position = polled.error(), (polled.offset() or 0) + 1
                    if error is not None:
                        if error.code() == KafkaError._PARTITION_EOF:
                            left.clear()
                        elif not error.retriable() and error.code() not in _NO_PARTITION:
                            raise KafkaException(error)
                        continue
                    while left and left[-1] < position:
                        if left.pop() == position - 1:
                            messages.append(cast("Message", polled))
        finally:
            consumer.unassign()
        return messages

    def _connect(self) -> Consumer:
        return Consumer(
            {
                # Often a handful of messages is wanted, and none of those that follow them.
                "queued.min.messages": 10 * _MAX_MESSAGES,
                "queued.max.messages.kbytes": 4_096,
                "fetch.wait.max.ms": 100,
                # By default librdkafka rests for a second when the queue is full.
                "fetch.queue.backoff.ms": 1,
                **self._config,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # retention may remove messages meanwhile
                "enable.partition.eof": True,
            }
        )

    def _watermarks(self, consumer: Consumer, partition: int, until: float, gone_at: float) -> tuple[int, int]:
        """The earliest offset and the end; both are 0 if the partition does not exist."""
        while True:
            try:
                wait = min(_ANSWER_SECONDS, _remaining(until))
                return consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=wait)
            except KafkaException as error:
                if error.args[0].code() in _NO_PARTITION:
                    if time.monotonic() >= gone_at:
                        return 0, 0
                    self._look_again(consumer)
                _remaining(until)
                time.sleep(0.1)

    def _look_again(self, consumer: Consumer) -> None:
        """Have the client ask which partitions there are: until then it goes by the last answer, for minutes."""
        with suppress(KafkaException):
            consumer.list_topics(self._topic, timeout=_ANSWER_SECONDS)


def _remaining(until: float) -> float:
    """The seconds until a deadline.

    Raises:
        KafkaException: the deadline is over.
    """
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "messages could not be read again in time"))
    return seconds
