"""The backlog: both input topics, filled before anything is measured."""

from array import array
from collections.abc import Iterable

import orjson
from confluent_kafka import KafkaError, Message, Producer

from benchmarks.data import Data
from tests.servers.kafka import Kafka

RATINGS = "ratings"
CUSTOMERS = "asgard.demo.CUSTOMERS"
PARTITIONS = 4


def fill(kafka: Kafka, data: Data) -> "array[int]":
    """Create both topics and write all customers, then all ratings.

    Returns:
        Where each rating lies, by its number: offset * PARTITIONS + partition.
    """
    # The ratings carry old timestamps: kept for ever, or they would be deleted at once.
    kafka.create_topic(RATINGS, PARTITIONS, retention_ms=-1)
    kafka.create_topic(CUSTOMERS, PARTITIONS, cleanup_policy="compact")
    places = array("q", [-1]) * data.ratings

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise RuntimeError(f"not written: {error}")
        if message.topic() == RATINGS:
            offset, partition = message.offset(), message.partition()
            places[int(message.key() or b"")] = (offset or 0) * PARTITIONS + (partition or 0)

    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "partitioner": "murmur2",  # Java's, which Debezium and Kafka Connect use
            "enable.idempotence": True,
            "linger.ms": 20,
            "on_delivery": on_delivery,
            "log_level": 3,  # errors; a coordinator that is still loading is none
        }
    )
    _write(producer, CUSTOMERS, (_customer(data, number) for number in range(1, data.customers + 1)))
    _write(producer, RATINGS, (_rating(data, number) for number in range(data.ratings)))
    return places


def _customer(data: Data, number: int) -> tuple[bytes, bytes, int]:
    return b'{"id":%d}' % number, orjson.dumps(data.customer(number)), 0


def _rating(data: Data, number: int) -> tuple[bytes, bytes, int]:
    rating = data.rating(number)
    return b"%d" % number, orjson.dumps(rating), rating["rating_time"]


def _write(producer: Producer, topic: str, records: Iterable[tuple[bytes, bytes, int]]) -> None:
    for key, value, timestamp in records:
        while len(producer) > 90_000:  # its queue takes 100,000
            producer.poll(0.05)
        producer.produce(topic, value, key, timestamp=timestamp)  # 0: now
        producer.poll(0)
    producer.flush()
