"""Records into Kafka: how many are due, and the producer."""

import time
from collections.abc import Callable
from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from typing_extensions import Self

_DELIVERY_SECONDS = 10.0
"""A record that the Kafka of this machine has not taken by then will not be taken."""


class Pace:
    """How many records are due, so that there are ``rate`` a second however unevenly it is asked."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._asked = clock()
        self._due = 0.0

    def due(self) -> int:
        """Give the number of records that have become due since the last call.

        What was missed for more than a second is not made up for: it would come as a flood.
        """
        now = self._clock()
        elapsed = min(now - self._asked, 1.0)
        self._asked = now
        self._due += elapsed * self._rate
        count = int(self._due)
        self._due -= count
        return count


class Feed:
    """An idempotent producer that reports what could not be delivered.

    Its buffer holds 100,000 records; ``send`` must not run ahead of ``poll`` by more.
    """

    def __init__(self, bootstrap: str) -> None:
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
                "partitioner": "murmur2_random",  # the one of Java's clients, which write these topics elsewhere
                "on_delivery": self._delivered,
                "log_level": 3,  # errors only: notices would break the view
            }
        )

    def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Put a record on its way, without waiting.

        Raises:
            BufferError: 100,000 records are on their way already.
        """
        self._producer.produce(topic, value, key)

    def poll(self) -> None:
        """Take note of deliveries, without waiting.

        Raises:
            KafkaException: a record could not be delivered.
        """
        self._producer.poll(0)
        if self._failure:
            raise KafkaException(self._failure)

    def flush(self) -> None:
        """Wait until everything is delivered; that takes 10 s at most.

        Raises:
            KafkaException: a record could not be delivered.
        """
        self._producer.flush(2 * _DELIVERY_SECONDS)  # until each was delivered or has timed out
        self.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.purge()  # what was to arrive was flushed; after an error nothing is to be waited for
        self._producer.close()

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self._failure = self._failure or error
