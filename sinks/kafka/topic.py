"""A topic as the Kafka sink asks about it: the ends of its partitions, its id, its messages."""

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicCollection
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from ..background import Every
from .spans import Span

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 10.0
_MESSAGES = 10_000

_REFUSED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
_FATAL = _REFUSED | {KafkaError._FATAL, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC}


class Topic:
    """One topic, as the brokers know it."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self._config = {"group.id": f"{name}-read-back", **config}
        self._admin: AdminClient | None = None
        self._described: Future[Any] | None = None

    def ends(self, seconds: float) -> tuple[int, ...]:
        """The end offset of each partition; () for a topic that does not exist.

        Raises:
            KafkaException: there was no answer in time, or a refusal.
        """
        topic = self._client().list_topics(self.name, timeout=seconds).topics[self.name]
        if topic.error is not None:
            if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return ()
            raise KafkaException(topic.error)
        latest: OffsetSpec = OffsetSpec.latest()
        asked = self._client().list_offsets(
            {Place(self.name, partition): latest for partition in topic.partitions},
            # Messages of transactions count, too.
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=seconds,
        )
        ends = [(place.partition, _result(answer, seconds + 1).offset) for place, answer in asked.items()]
        return tuple(end for _, end in sorted(ends))

    def await_ends(self, seconds: float) -> tuple[int, ...]:
        """``ends``, asked for until the brokers answer, or ``seconds`` have passed.

        Raises:
            KafkaException: there was no answer, or a refusal.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.ends(_REQUEST_SECONDS)
            except KafkaException as error:
                if error.args[0].code() in _REFUSED or time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)

    def ask_id(self) -> None:
        """Ask for the topic's id. A topic that is deleted and made again gets another one."""
        self._described = self._client().describe_topics(TopicCollection([self.name]))[self.name]

    def id(self, seconds: float = 0) -> str | None:
        """The id if it is known within ``seconds``; None if not, or if the brokers do not tell it."""
        if self._described is None or (not seconds and not self._described.done()):
            return None
        try:
            return str(_result(self._described, seconds).topic_id)
        except KafkaException as error:
            log.debug("%s: its id is not known: %s", self.name, error)
            return None

    def read(self, spans: list[Span], seconds: float) -> Iterator[Message]:
        """The messages of these spans.

        Raises:
            KafkaException: a refusal.
            TimeoutError: no message came for ``seconds``.
        """
        consumer = Consumer(
            {
                **self._config,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 10,
                "queued.max.messages.kbytes": 32_768,
                "fetch.queue.backoff.ms": 10,
            }
        )
        try:
            while spans:  # one span of each partition at a time
                now = {span[0]: span for span in reversed(spans)}
                spans = [span for span in spans if span is not now[span[0]]]
                yield from self._read_once(consumer, now, seconds)
        finally:
            consumer.close()

    def _read_once(self, consumer: Consumer, spans: dict[int, Span], seconds: float) -> Iterator[Message]:
        consumer.assign([Place(self.name, partition, start) for partition, start, _ in spans.values()])
        ends = {partition: end for partition, _, end in spans.values()}
        count, report, deadline = 0, Every(after=10), time.monotonic() + seconds
        while ends:
            polled = consumer.consume(_MESSAGES, 0.02)
            if polled:
                deadline = time.monotonic() + seconds
            elif time.monotonic() >= deadline:
                raise TimeoutError(f"no message of {self.name} came for {seconds:.0f} s")
            if report():
                log.info("%s: %d messages are read back so far", self.name, count)
            for message in polled:
                partition, offset, error = message.partition() or 0, message.offset() or 0, message.error()
                if error is None:
                    end = ends.get(partition, 0)
                    if offset < end:
                        count += 1
                        yield message
                    if offset + 1 >= end:
                        ends.pop(partition, None)
                elif error.code() == KafkaError._PARTITION_EOF:
                    # The end may lie beyond the last message: a transaction's marker takes an offset, too.
                    ends.pop(partition, None)
                elif error.code() in _FATAL:
                    raise KafkaException(error)
                else:
                    log.warning("%s: %s", self.name, error.str(), extra={"event": "an error while a topic is read"})

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._config)
        return self._admin


def _result(future: "Future[Any]", seconds: float) -> Any:
    try:
        return future.result(seconds)
    except FutureTimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
