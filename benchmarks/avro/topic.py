"""Topics that are filled before anything is measured: written, or copied from another."""

from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, Message, Producer

from benchmarks.outputs import messages
from tests.servers.kafka import Kafka

Record = tuple[bytes | None, bytes, int, int]
"""Key, value, timestamp (epoch milliseconds; 0: now) and partition (ANY: as Java's clients choose it by the key)."""
ANY = -1


def write(kafka: Kafka, topic: str, records: Iterable[Record]) -> None:
    """Write the records of each partition in their order.

    Raises:
        RuntimeError: one was not written.
    """
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "partitioner": "murmur2",  # Java's, which Debezium and Kafka Connect use
            "enable.idempotence": True,
            "linger.ms": 20,
            "on_delivery": _raise_undelivered,
            "delivery.report.only.error": True,
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


def copy(kafka: Kafka, source: str, target: str, change: Callable[[bytes], bytes]) -> None:
    """Write what `change` makes of each value of `source` to the empty topic `target`.

    Partitions, keys, timestamps and offsets are the same.
    """

    def changed(message: Message) -> Record:
        return message.key(), change(message.value() or b""), message.timestamp()[1], message.partition() or 0

    write(kafka, target, map(changed, messages(kafka, source)))


def _raise_undelivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise RuntimeError(f"{message.topic()}: {error}")
