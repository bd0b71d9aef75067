"""The producer of a process, and the writers that share it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from prometheus_client import Counter, Gauge

from ..errors import Limit, SinkError, no_limit
from .messages import Identity, KafkaMessage, KafkaRecord, Rejected
from .state import LaneState
from .topic import Topic
from .written import Written

T = TypeVar("T")

log = logging.getLogger(__name__)

_written = Counter("kafka_sink_messages", "Messages handed to the producer", ["topic"])
_last = Gauge(
    "kafka_sink_last_message_timestamp_seconds",
    "Time at which messages were last handed to the producer, in epoch seconds; 0: not yet",
    ["topic"],
)
_rejected = Counter(
    "kafka_sink_rejected", "Messages larger than the topic accepts, written as dead letters instead", ["topic"]
)

DELIVERY_SECONDS = 120.0
"""``message.timeout.ms`` unless the configuration has it: a message without acknowledgement then fails the flow."""

_DEFAULTS: dict[str, Any] = {
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "batch.num.messages": 100_000,  # the size alone limits a batch
    "compression.type": "lz4",
    "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 262_144,
    # As the Java clients, and so Debezium, place keys: topics stay co-partitioned.
    "partitioner": "murmur2_random",
}


class DeliveryError(SinkError):
    """Messages were not acknowledged, or were refused; the epoch that wrote them is not committed."""


class KafkaWriter:
    """Writes to a topic, for the lanes of a sink and for the dead letters of other sinks."""

    def __init__(
        self,
        topic: str,
        config: dict[str, Any],
        rejected: Rejected | None = None,
        identity: Identity | None = None,
        limit: Limit = no_limit,
    ) -> None:
        """Writers of one configuration share a producer; those of one topic share the identities that are on it.

        Raises:
            KafkaException: librdkafka refuses the configuration.
        """
        self._topic, self._outlet = topic, _outlet(config)
        if rejected is not None:
            self._outlet.rejected[topic] = rejected
            self._outlet.tallies.setdefault(topic, _Tally(limit))
        if identity is not None:
            self._outlet.know(topic, identity)
        self._written, self._last = _written.labels(topic), _last.labels(topic)
        _rejected.labels(topic)  # shown from the start on: else its first count would be no increase

    def write(self, messages: Iterable[KafkaRecord]) -> None:
        """Hand to the producer the messages that are not on the topic yet; while its queue is full, wait for room.

        Raises:
            DeliveryError: there was no room for ``message.timeout.ms``, or a message was refused.
            ReadBackError: the messages of an earlier run cannot be read.
        """
        if count := self._outlet.write_new(self._topic, messages):
            self._written.inc(count)
            self._last.set_to_current_time()

    def flush(self) -> None:
        """Wait until everything written so far, by all writers of the producer, is acknowledged.

        Raises:
            DeliveryError: something was not.
            Refused: a topic refuses too many messages.
        """
        self._outlet.flush()

    def restore(self, state: LaneState) -> bool:
        """Go on from a state of an earlier run; return whether it is one of this topic."""
        written = self._outlet.written.get(self._topic)
        return written is not None and written.restore(state)

    def state(self) -> LaneState | None:
        """The state of a lane after ``flush``; None without an identity, or while the topic's ends are not known.

        Raises:
            ReadBackError: the messages of an earlier run cannot be read.
        """
        written = self._outlet.written.get(self._topic)
        return written.state() if written is not None else None


class _Tally:
    """What became of the messages to a topic since the last ``flush``."""

    def __init__(self, limit: Limit) -> None:
        self._limit, self._lock = limit, threading.Lock()
        self._written, self._errors = 0, list[tuple[str, str]]()

    def wrote(self, count: int) -> None:
        with self._lock:
            self._written += count

    def refused(self, why: str) -> None:
        with self._lock:
            self._errors.append(("MessageTooLarge", why))

    def tell(self) -> None:
        """Tell the limit, which raises."""
        with self._lock:
            written, errors = self._written, self._errors
            self._written, self._errors = 0, []
        self._limit(max(0, written - len(errors)), errors)


class _Reports:
    """librdkafka's reports about messages.

    Apart from the producer, which would otherwise be in a cycle. A cycle is collected in any thread, and librdkafka
    aborts the process when a client is destroyed in its own (confluent-kafka-python, pull request 2131).
    """

    def __init__(self) -> None:
        self.trouble = ""
        # Several threads report at any time, so both are emptied one by one.
        self._failures = deque[KafkaError]()
        self._too_large = deque[tuple[str, KafkaMessage]]()

    def take_failures(self) -> list[KafkaError]:
        """Why messages were not delivered since the last call."""
        return _taken(self._failures)

    def take_too_large(self) -> list[tuple[str, KafkaMessage]]:
        """The topics and messages that were refused as too large since the last call."""
        return _taken(self._too_large)

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Keep a message that was not delivered."""
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            sent = KafkaMessage(message.key(), message.value() or b"", message.headers())
            self._too_large.append((message.topic() or "", sent))
        else:
            self._failures.append(error)

    def on_error(self, error: KafkaError) -> None:
        """Keep the producer's latest trouble."""
        self.trouble = error.str()
        log.warning("producer error: %s", error.str())


def _taken(reports: deque[T]) -> list[T]:
    taken = list[T]()
    while reports:
        taken.append(reports.popleft())
    return taken


class _Outlet:
    """One producer, shared by the lanes and topics of a process that have the same configuration."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._reports = _Reports()
        self._flushing = threading.Lock()
        self.rejected: dict[str, Rejected] = {}
        self.tallies: dict[str, _Tally] = {}
        self.written: dict[str, Written] = {}
        self._config = config
        merged = {**_DEFAULTS, **config}
        # librdkafka's 0 is "for ever"; every wait here has a deadline.
        self._deadline = (float(merged["message.timeout.ms"]) or DELIVERY_SECONDS * 1000) / 1000 + 5
        self._producer = Producer(
            {
                **merged,
                "enable.idempotence": True,
                "error_cb": self._reports.on_error,
                "on_delivery": self._reports.on_delivery,
                "delivery.report.only.error": True,
            }
        )

    def know(self, topic: str, identity: Identity) -> None:
        """Recognise by this identity the messages that are already on the topic."""
        if topic not in self.written:
            self.written[topic] = Written(Topic(topic, self._config), identity)

    def write_new(self, topic: str, messages: Iterable[KafkaRecord]) -> int:
        """``write`` the messages that are not on the topic yet."""
        written = self.written.get(topic)
        count = self.write(topic, messages if written is None else written.rest(messages))
        if tally := self.tallies.get(topic):
            tally.wrote(count)
        return count

    def write(self, topic: str, messages: Iterable[KafkaRecord]) -> int:
        """Hand messages to the producer; where its queue is full, wait for room.

        Returns:
            How many there were.

        Raises:
            DeliveryError: there was no room for ``message.timeout.ms``.
        """
        produce, count = self._producer.produce, 0
        for count, message in enumerate(messages, 1):  # noqa: B007
            try:
                if message.headers is None:
                    produce(topic, message.value, message.key)
                else:
                    produce(topic, message.value, message.key, headers=message.headers)
            except BufferError:
                self._produce_when_there_is_room(topic, message)
            except KafkaException as error:
                self._refuse_or_raise(error, topic, message)
        self._producer.poll(0)
        return count

    def flush(self) -> None:
        """Wait until everything written so far is acknowledged.

        Raises:
            DeliveryError: something was not.
        """
        with self._flushing:
            self._flush_once()
            if too_large := self._reports.take_too_large():
                self._write_apart(too_large)
                self._flush_once()
            for tally in [*self.tallies.values()]:
                tally.tell()

    def _flush_once(self) -> None:
        left = self._producer.flush(self._deadline)
        failures = self._reports.take_failures()
        if left or failures:
            count = left + len(failures)
            why = failures[0].str() if failures else self._reports.trouble or "no answer"
            raise DeliveryError(f"{count} messages were not delivered to Kafka: {why}")

    def _write_apart(self, messages: list[tuple[str, KafkaMessage]]) -> None:
        """Write again the messages that were refused as too large.

        The broker's limit holds for a batch of the producer, so a large message fails the others of its batch, too.
        Halves are tried, down to the single message that is too large by itself.
        """
        for topic, message in messages:
            self.write(topic, [message])
        self._flush_once()
        refused = self._reports.take_too_large()
        if not refused:
            return
        if len(messages) == 1:
            self._refuse(*refused[0], "the message is larger than its topic takes")
            return
        middle = (len(refused) + 1) // 2
        for half in (refused[:middle], refused[middle:]):
            if half:
                self._write_apart(half)

    def _refuse(self, topic: str, message: KafkaRecord, why: str) -> None:
        instead, why = self.rejected.get(topic), f"{topic}: {why} ({len(message.value):,} bytes)"
        if instead is None:
            raise DeliveryError(f"{why}, and there is nowhere else to write it")
        _rejected.labels(topic).inc()
        self.tallies[topic].refused(why)
        other, replacement = instead(message, why)
        self.write_new(other, [replacement])

    def _refuse_or_raise(self, error: KafkaException, topic: str, message: KafkaRecord) -> None:
        if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise DeliveryError(f"{topic}: {error.args[0].str()}") from error
        self._refuse(topic, message, "the message is larger than message.max.bytes")

    def _produce_when_there_is_room(self, topic: str, message: KafkaRecord) -> None:
        deadline = time.monotonic() + self._deadline
        while time.monotonic() < deadline:
            self._producer.poll(0.1)
            try:
                self._producer.produce(topic, message.value, message.key, headers=message.headers)
            except BufferError:
                continue
            return
        raise DeliveryError(f"{topic}: the producer's queue is full and nothing leaves it: {self._reports.trouble}")


_outlets: WeakValueDictionary[str, _Outlet] = WeakValueDictionary()
_outlets_lock = threading.Lock()


def _outlet(config: dict[str, Any]) -> _Outlet:
    with _outlets_lock:
        name = repr(sorted(config.items(), key=lambda item: item[0]))
        outlet = _outlets.get(name)
        if outlet is None:
            outlet = _outlets[name] = _Outlet(config)
        return outlet


def check(config: dict[str, Any]) -> None:
    """Make a producer of this configuration, to see that it can be made.

    Raises:
        KafkaException: librdkafka refuses it.
    """
    _outlet(config)
