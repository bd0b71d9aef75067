"""The end of a topic, and what is written to it from then on."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, Message, TopicPartition

from dataflows.wiring.errors import StartupError

DEADLINE_SECONDS = 60.0
"""The time after which a read of what is there fails without messages."""

_REQUEST_SECONDS = 10.0
_AT_ONCE = 500


class Tail:
    """Reads a topic, outside of any consumer group.

    Args:
        topic: Its name.
        config: librdkafka's properties, with ``group.id``, which nothing is committed to.

    Raises:
        KafkaException: a broker does not answer.
        StartupError: there is no such topic.
    """

    def __init__(self, topic: str, config: Mapping[str, Any]) -> None:
        self._topic = topic
        reading = {"enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**config, **reading})
        known = self._consumer.list_topics(topic, timeout=_REQUEST_SECONDS).topics[topic]
        if known.error is not None:
            raise StartupError(f"ENRICHED_TOPIC is {topic!r}, but there is no such topic")
        self._ranges = {
            partition: self._consumer.get_watermark_offsets(TopicPartition(topic, partition), _REQUEST_SECONDS)
            for partition in known.partitions
        }

    def last(self, count: int) -> dict[int, int]:
        """The offsets by partition from which ``count`` messages are there, or all; each partition has its share."""
        starts, left = {}, count
        held = sorted(self._ranges, key=lambda partition: self._ranges[partition][1] - self._ranges[partition][0])
        for at, partition in enumerate(held):
            low, high = self._ranges[partition]
            share = min(high - low, -(-left // (len(held) - at)))
            starts[partition] = high - share
            left -= share
        return starts

    def since(self, milliseconds: int) -> dict[int, int]:
        """The offsets by partition of the first messages from a time on."""
        wanted = [TopicPartition(self._topic, partition, milliseconds) for partition in self._ranges]
        places = self._consumer.offsets_for_times(wanted, timeout=_REQUEST_SECONDS)
        ends = {partition: high for partition, (_, high) in self._ranges.items()}
        return {
            place.partition: ends[place.partition] if place.offset == OFFSET_END else place.offset for place in places
        }

    def read(self, starts: Mapping[int, int], *, follow: bool, stopping: Callable[[], bool]) -> Iterator[list[Message]]:
        """The messages from these offsets on, some hundreds at a time; to the present ends, or until ``stopping``.

        Raises:
            StartupError: the topic cannot be read, or nothing came for a minute.
        """
        left = {partition for partition, start in starts.items() if start < self._ranges[partition][1]}
        read = starts if follow else left
        self._consumer.assign([TopicPartition(self._topic, partition, starts[partition]) for partition in read])
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (left or follow) and not stopping():
            messages = []
            for message in self._consumer.consume(_AT_ONCE, 0.2):
                error, partition = message.error(), message.partition() or 0
                if error is None:
                    if not follow and (message.offset() or 0) + 1 >= self._ranges[partition][1]:
                        left.discard(partition)
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(partition)
                elif not error.retriable():
                    raise StartupError(f"{self._topic}: {error.str()}")
            if messages:
                deadline = time.monotonic() + DEADLINE_SECONDS
                yield messages
            elif not follow and time.monotonic() >= deadline:
                raise StartupError(f"{self._topic}: no message came for {DEADLINE_SECONDS:.0f} s")

    def close(self) -> None:
        """Let go of the brokers."""
        self._consumer.close()
