"""Topics that are filled before anything is measured."""

from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, Message, Producer

from servers.kafka import Kafka

Record = tuple[bytes | None, bytes, int, int]
"""Key, value, timestamp (epoch milliseconds; 0: now) and partition (ANY: as Java's clients choose it by the key)."""
ANY = -1


def write(
    kafka: Kafka, topic: str, records: Iterable[Record], on_written: Callable[[Message], None] | None = None
) -> None:
    """Write the records of each partition in their order; `on_written` is told of each.

    Raises:
        RuntimeError: one was not written.
    """

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise RuntimeError(f"{topic}: {error}")
        if on_written is not None:
            on_written(message)

    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "partitioner": "murmur2",  # Java's, which Debezium and Kafka Connect use
            "enable.idempotence": True,
            "linger.ms": 5,
            "on_delivery": on_delivery,
            "delivery.report.only.error": on_written is None,
            "log_level": 3,  # errors; a coordinator that is still loading is none
        }
    )
    for key, value, timestamp, partition in records:
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=timestamp)
            except BufferError:
                producer.poll(0.05)
            else:
                break
    if producer.flush(60):
        raise RuntimeError(f"{topic} is not written after 60 s")
