"""Reads topics from near their ends, on and on, outside of any consumer group."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

log = logging.getLogger(__name__)

_AT_ONCE = 500
_WAIT_SECONDS = 0.2
_REQUEST_SECONDS = 5.0
_LOOK_SECONDS = 2.0
"""From one look for topics that are missing to the next."""
_RELOOK_SECONDS = 30.0
"""From one look for new partitions to the next."""
_REPORT_SECONDS = 10.0


class Reader:
    """Gives the last messages of topics, and then each new one.

    A topic that does not exist yet is read from its beginning once it does. While Kafka is away ``trouble`` says so,
    and the reader goes on when it is back.

    Args:
        properties: of librdkafka; nothing is committed to its group.
        last: by topic, the number of messages to begin with.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """

    def __init__(self, properties: Mapping[str, Any], last: Mapping[str, int]) -> None:
        self._last = last
        self._consumer = Consumer(
            {
                **properties,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "error_cb": self._on_error,
            }
        )
        self._known: dict[str, set[int]] = {topic: set() for topic in last}
        self._look_at = self._report_at = 0.0
        self._stopping = False
        self.trouble: str | None = "Kafka has not answered yet"
        """Why nothing may come; None: all topics are read."""

    async def run(self, take: Callable[[str, Sequence[Message]], None]) -> None:
        """Pass what comes to ``take``, in the event loop, until ``stop``; then let go of the brokers."""
        while not self._stopping:
            for topic, messages in (await asyncio.to_thread(self._read)).items():
                take(topic, messages)
        await asyncio.to_thread(self._consumer.close)

    def stop(self) -> None:
        """Let ``run`` come to its end, within seconds."""
        self._stopping = True

    def _read(self) -> dict[str, list[Message]]:
        if time.monotonic() >= self._look_at:
            self._look()
        found: dict[str, list[Message]] = {}
        for message in self._consumer.consume(_AT_ONCE, _WAIT_SECONDS):
            error = message.error()
            if error is None:
                found.setdefault(message.topic() or "", []).append(message)
            else:
                self._tell(f"{message.topic()}: {error.str()}")
        return found

    def _look(self) -> None:
        """Begin to read partitions that were not there before."""
        try:
            cluster = self._consumer.list_topics(timeout=_REQUEST_SECONDS)
            for topic, known in [*self._known.items()]:
                there = set(cluster.topics[topic].partitions) if topic in cluster.topics else set()
                if new := there - known:
                    begin = [self._begin(topic, partition, len(there), first=not known) for partition in sorted(new)]
                    self._consumer.incremental_assign(begin)
                    self._known[topic] = known | new
        except KafkaException as error:
            self._tell(f"Kafka does not answer: {error.args[0].str()}")
            self._look_at = time.monotonic() + _LOOK_SECONDS
            return
        missing = [topic for topic, known in self._known.items() if not known]
        self.trouble = None
        if missing:
            self._tell(f"topic {' and '.join(missing)} does not exist yet")
        self._look_at = time.monotonic() + (_LOOK_SECONDS if missing else _RELOOK_SECONDS)

    def _begin(self, topic: str, partition: int, partitions: int, *, first: bool) -> TopicPartition:
        """Where to begin with a partition: at its beginning if it was added to a topic that is read."""
        place = TopicPartition(topic, partition)
        low, high = self._consumer.get_watermark_offsets(place, _REQUEST_SECONDS)
        place.offset = max(low, high - self._last[topic] // partitions) if first else low
        return place

    def _tell(self, trouble: str) -> None:
        self.trouble = trouble
        if time.monotonic() >= self._report_at:
            log.warning("%s", trouble, extra={"event": "a topic cannot be read"})
            self._report_at = time.monotonic() + _REPORT_SECONDS

    def _on_error(self, error: KafkaError) -> None:
        # Called within consume() and list_topics(); the next look tells whether the trouble is over.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._tell(f"Kafka: {error.str()}")
            self._look_at = min(self._look_at, time.monotonic() + _LOOK_SECONDS)
