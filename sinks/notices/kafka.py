"""A journal on a Kafka topic."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, Message

from ..errors import SinkError
from ..kafka.topic import Topic
from .fenced import FencedWriter
from .journal import Record, decode, encode

log = logging.getLogger(__name__)

_READ_SECONDS = 30.0


class JournalError(SinkError):
    """The journal cannot be read."""


class KafkaJournal:
    """Keeps records on ``topic``, which nothing else writes to. It must keep them longer than repetitions may come.

    It is of one process at a time: that which opened it last. In the others ``write`` fails.
    """

    def __init__(self, topic: str, config: dict[str, Any]) -> None:
        """Open it, and end what writes to it.

        Args:
            topic: It may have any number of partitions.
            config: librdkafka's properties.

        Raises:
            WriterError: the brokers refuse, or do not answer within 30 s.
        """
        self._topic, self._config = topic, config
        self._writer = FencedWriter(topic, config)

    def read(self) -> Iterator[Record]:
        """All records. What a transaction left behind that was never committed is among them: it was never posted.

        Raises:
            JournalError: the brokers refuse, or do not answer within 30 s.
        """
        topic, began, count = Topic(self._topic, self._config), time.monotonic(), 0
        try:
            spans = [(partition, 0, end) for partition, end in enumerate(topic.await_ends(_READ_SECONDS)) if end]
            for message in topic.read(spans, _READ_SECONDS):
                if (record := self._record(message)) is not None:
                    count += 1
                    yield record
        except (KafkaException, TimeoutError) as error:
            why = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise JournalError(f"topic {self._topic} cannot be read, so messages might be sent twice: {why}") from error
        log.info("%s: read %d records in %.1f s", self._topic, count, time.monotonic() - began)

    def _record(self, message: Message) -> Record | None:
        try:
            return decode(message.value())
        except ValueError as error:
            place = f"{self._topic}-{message.partition()}-{message.offset()}"
            log.warning("%s is no record of the notifier's, and is passed over: %s", place, error)
            return None

    def write(self, record: Record) -> "Future[None]":
        """Write a record. While Kafka is away the future waits for it, for ten minutes at most."""
        return self._writer.write(record.name, encode(record))

    def close(self) -> None:
        """End, after 5 s at most for what is still on its way."""
        self._writer.close()
