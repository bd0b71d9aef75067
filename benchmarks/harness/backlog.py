"""The backlog: both input topics, filled before anything is measured."""

from array import array

import orjson
from confluent_kafka import Message

from benchmarks.harness.data import Data
from servers.kafka import Kafka
from servers.topics import Record, write

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

    def remember(message: Message) -> None:
        offset, partition = message.offset(), message.partition()
        places[int(message.key() or b"")] = (offset or 0) * PARTITIONS + (partition or 0)

    write(kafka.bootstrap, CUSTOMERS, (customer(data, number) for number in range(1, data.customers + 1)))
    write(kafka.bootstrap, RATINGS, (_rating(data, number) for number in range(data.ratings)), remember)
    return places


def customer(data: Data, number: int) -> Record:
    """The first message of a customer."""
    return Record(b'{"id":%d}' % number, orjson.dumps(data.customer(number)))


def _rating(data: Data, number: int) -> Record:
    rating = data.rating(number)
    return Record(b"%d" % number, orjson.dumps(rating), timestamp=rating["rating_time"])
