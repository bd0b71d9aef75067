"""The generator's producer: it goes on when a rating cannot be delivered, and counts."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from dataflows.wiring.errors import StartupError
from demo.generate.ratings import GeneratedRating

_TOPIC_SECONDS = 5.0
"""A broker that creates topics by itself has created one by then."""
_REQUEST_SECONDS = 5.0
_REST_SECONDS = 0.2

_NOT_THERE_YET = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE})

_NO_ANSWER = frozenset({KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})

_DEFAULTS: dict[str, Any] = {
    "linger.ms": 20,
    "batch.size": 1_000_000,
    "compression.type": "lz4",
    "message.timeout.ms": 30_000,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    "partitioner": "murmur2_random",  # the one of Java's clients, which write these topics elsewhere
}


class Writer:
    """Writes ratings to one topic; those on their way are 100,000 and 64 MiB at most."""

    def __init__(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Properties are librdkafka's, over the defaults of this module; the producer is idempotent in any case.

        Raises:
            KafkaException: librdkafka refuses them.
        """
        self._topic = topic
        self._servers = properties["bootstrap.servers"]
        self._written = 0
        self.failed = 0
        """Not delivered, for good."""
        self.why = ""
        """Of the last of them."""
        self._connection: KafkaError | None = None
        self._producer = Producer(
            {
                **_DEFAULTS,
                **properties,
                "enable.idempotence": True,
                "on_delivery": self._on_delivery,
                "error_cb": self._on_error,
                "delivery.report.only.error": True,
                "log_level": 0,  # what matters of it is counted, and told at the end
            }
        )

    @property
    def queued(self) -> int:
        """On their way."""
        return len(self._producer)

    @property
    def delivered(self) -> int:
        """Acknowledged by all in-sync replicas."""
        return self._written - self.failed - self.queued

    def await_topic(self, stop: Callable[[], bool]) -> None:
        """Wait until the topic exists: to ask for it has it created by a broker that does so by itself.

        Raises:
            StartupError: it does not exist, and is not created; or we may not see it.
        """
        deadline = time.monotonic() + _TOPIC_SECONDS
        while not stop():
            error = self._topic_error()
            if error is None:
                return
            if error.code() not in _NOT_THERE_YET:
                raise StartupError(f"topic {self._topic} at {self._servers} cannot be written: {error.str()}")
            if time.monotonic() >= deadline:
                raise StartupError(
                    f"topic {self._topic} does not exist at {self._servers}, and is not created by itself"
                )
            time.sleep(_REST_SECONDS)

    def write(self, rating: GeneratedRating) -> bool:
        """Put a rating on its way; False where there is no room for it until ``poll`` has made some.

        Raises:
            KafkaException: the producer cannot go on.
        """
        try:
            self._producer.produce(self._topic, rating.value, rating.key)
        except BufferError:
            return False
        self._written += 1
        return True

    def poll(self, seconds: float = 0) -> None:
        """Take note of deliveries; wait for the first of them."""
        self._producer.poll(seconds)

    def flush(self, seconds: float) -> None:
        """Wait until nothing is on its way."""
        self._producer.flush(seconds)

    def give_up(self) -> None:
        """What is still on its way has failed."""
        self._producer.purge()
        self._producer.flush(_REQUEST_SECONDS)

    def _topic_error(self) -> KafkaError | None:
        error: KafkaError | None
        try:
            error = self._producer.list_topics(self._topic, timeout=_REQUEST_SECONDS).topics[self._topic].error
        except KafkaException as failure:
            error = failure.args[0]
        return error

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            return
        self.failed += 1
        self.why = error.str()
        if error.code() in _NO_ANSWER and self._connection is not None:
            self.why += f" ({self._connection.str()})"

    def _on_error(self, error: KafkaError) -> None:
        # That all brokers are down says less than how the last of them went.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._connection = error
