"""A journal on a Kafka topic."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ..errors import SinkError
from ..kafka.spans import between
from ..kafka.topic import Topic
from .journal import Record, decode, encode

log = logging.getLogger(__name__)

_READ_SECONDS = 30.0
_SETTLE_SECONDS, _SETTLE_TIMES = 0.1, 10
_CLOSE_SECONDS = 5.0


class JournalError(SinkError):
    """The journal cannot be read or written."""


class KafkaJournal:
    """Keeps records on ``topic``, which nothing else writes to. It must keep them longer than repetitions may come."""

    def __init__(self, topic: str, config: dict[str, Any]) -> None:
        """Connect at the first call.

        Args:
            topic: It may have any number of partitions.
            config: librdkafka's properties.
        """
        self._topic, self._config = topic, config
        self._producer: Producer | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def read(self) -> Iterator[Record]:
        """All records, up to an end that stands still: a killed run's last requests may be written after it is gone.

        Raises:
            JournalError: the brokers refuse, or do not answer within 30 s.
        """
        topic, began, count = Topic(self._topic, self._config), time.monotonic(), 0
        try:
            ends = topic.await_ends(_READ_SECONDS)
            spans = [(partition, 0, end) for partition, end in enumerate(ends) if end]
            for _ in range(_SETTLE_TIMES):
                for message in topic.read(spans, _READ_SECONDS):
                    if (record := self._record(message)) is not None:
                        count += 1
                        yield record
                time.sleep(_SETTLE_SECONDS)
                before, ends = ends, topic.await_ends(_READ_SECONDS)
                if not (spans := between(before, ends)):
                    break
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
        """Write a record. While Kafka is away the future waits for it without limit."""
        written: Future[None] = Future()

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(JournalError(f"topic {self._topic} does not take a record: {error.str()}"))

        try:
            self._open().produce(self._topic, encode(record), record.name, on_delivery=on_delivery)
        except (BufferError, KafkaException) as error:
            written.set_exception(JournalError(f"topic {self._topic} does not take a record: {error}"))
        return written

    def close(self) -> None:
        """End, after 5 s at most for what is still on its way."""
        if self._producer is not None and self._thread is not None:
            self._producer.flush(_CLOSE_SECONDS)
            self._closing.set()
            self._thread.join()

    def _open(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._config,
                    "enable.idempotence": True,
                    # Records of several threads go in one request. librdkafka is busy waiting while a record
                    # has to wait for five requests: without a pause they are under way at once.
                    "linger.ms": 10,
                    # Whoever waits for a record decides how long. 0 is without end.
                    "message.timeout.ms": 0,
                }
            )
            self._thread = threading.Thread(target=self._poll, args=(self._producer,), name="journal", daemon=True)
            self._thread.start()
        return self._producer

    def _poll(self, producer: Producer) -> None:
        while not self._closing.is_set():
            producer.poll(0.1)
