"""The rival: the same join as one plain loop over confluent-kafka and orjson, as fast as one honestly writes it.

At least once: every second the producer is flushed, then the offsets are committed; SIGTERM ends it in order.
It goes without what the project has beyond the join: no dead letters, no waiting for late customers, no metrics,
no second process.
"""

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from benchmarks.harness.memory import keep_memory

Customer = dict[str, str | None]

BATCH = 5_000
COMMIT_SECONDS = 1.0
UNHAPPY_STARS = 2
RULE = "unhappy-platinum"
NOBODY: Customer = dict.fromkeys(("first_name", "last_name", "full_name", "email", "club_status", "region"))
READING = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    # As much as the project by default: what is read ahead before the first output is not in the measured window.
    "queued.min.messages": 24_576,
    "queued.max.messages.kbytes": 24_576,
    # A full queue stops fetching for so long; by default for 1000, in which a smaller queue was seen to run dry.
    "fetch.queue.backoff.ms": 10,
    "fetch.wait.max.ms": 100,
}
WRITING = {
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "batch.num.messages": 100_000,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_048_576,
    "delivery.report.only.error": True,
}


class Loop:
    """One process that holds all customers and reads all partitions of the ratings."""

    def __init__(self, env: Mapping[str, str]) -> None:
        client: dict[str, Any] = {"bootstrap.servers": env["KAFKA_BOOTSTRAP_SERVERS"]}
        reading = {**client, **READING, "group.id": env["KAFKA_GROUP_ID"]}
        self.changes = Consumer({**reading, "enable.partition.eof": True})
        self.ratings = Consumer(reading)
        self.producer = Producer({**client, **WRITING, "on_delivery": raise_undelivered})
        self.changes_partitions = partitions(self.changes, env["CUSTOMERS_TOPIC"])
        self.ratings_partitions = partitions(self.ratings, env["RATINGS_TOPIC"])
        self.enriched_topic, self.alerts_topic = env["ENRICHED_TOPIC"], env["ALERTS_TOPIC"]
        self.customers: dict[int, Customer] = {}
        self.running = True

    def stop(self, *_: object) -> None:
        """Let `run` return soon."""
        self.running = False

    def run(self) -> None:
        """Load the customers, then join ratings until stopped."""
        self.changes.assign(self.changes_partitions)
        self.ratings.assign(self.ratings.committed(self.ratings_partitions, timeout=10))
        ends = 0
        while self.running and ends < len(self.changes_partitions):
            ends += self.change(self.changes.consume(10_000, 0.1))
        keep_memory()
        next_commit = time.monotonic() + COMMIT_SECONDS
        while self.running:
            self.join(self.ratings.consume(BATCH, 0.02))
            if time.monotonic() > next_commit:
                self.commit()
                self.change(self.changes.consume(10_000, 0))
                next_commit = time.monotonic() + COMMIT_SECONDS
        self.commit()
        self.ratings.close()
        self.changes.close()

    def change(self, messages: list[Message]) -> int:
        """Apply changes of customers; return how many partitions were read to their end."""
        ends = 0
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise RuntimeError(str(error))
                ends += 1
                continue
            number, value = orjson.loads(message.key() or b"")["id"], message.value()
            if value:
                self.customers[number] = known(orjson.loads(value))
            else:
                self.customers.pop(number, None)
        return ends

    def join(self, messages: list[Message]) -> None:
        """Write what becomes of `messages`."""
        loads, dumps, find, produce = orjson.loads, orjson.dumps, self.customers.get, self.producer.produce
        enriched_topic = self.enriched_topic
        for message in messages:
            if message.error() is not None:
                raise RuntimeError(str(message.error()))
            rating = loads(message.value())  # type: ignore[arg-type]  # a rating is never deleted
            user = rating["user_id"]
            customer = find(user, NOBODY)
            rating["rating_ts"] = message.timestamp()[1]
            rating.update(customer)
            rating["source_partition"] = message.partition()
            rating["source_offset"] = message.offset()
            value, key = dumps(rating), str(user)
            try:
                produce(enriched_topic, value, key)
            except BufferError:
                self.produce_when_there_is_room(enriched_topic, value, key)
            if (
                rating["stars"] <= UNHAPPY_STARS
                and customer["club_status"] == "platinum"
                and "test" not in rating["channel"].lower()
            ):
                self.produce_when_there_is_room(self.alerts_topic, dumps(alert(rating)), key)
        self.producer.poll(0)

    def produce_when_there_is_room(self, topic: str, value: bytes, key: str) -> None:
        """Wait while the producer's queue is full."""
        while True:
            try:
                self.producer.produce(topic, value, key)
            except BufferError:
                self.producer.poll(0.05)
            else:
                return

    def commit(self) -> None:
        """Wait until everything written is acknowledged, then commit what was read."""
        if self.producer.flush(30):
            raise RuntimeError("not delivered within 30 s")
        read = [part for part in self.ratings.position(self.ratings_partitions) if part.offset >= 0]
        if read:
            self.ratings.commit(offsets=read, asynchronous=True)  # close() waits for it


def partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    found = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in found]


def known(row: dict[str, Any]) -> Customer:
    return {
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "full_name": f"{row['first_name']} {row['last_name']}",
        "email": row["email"],
        "club_status": row["club_status"],
        "region": row.get("region"),
    }


def alert(rating: dict[str, Any]) -> dict[str, Any]:
    return {
        "rating_id": rating["rating_id"],
        "user_id": rating["user_id"],
        "full_name": rating["full_name"],
        "email": rating["email"],
        "club_status": rating["club_status"],
        "stars": rating["stars"],
        "channel": rating["channel"],
        "message": rating["message"],
        "rating_ts": rating["rating_ts"],
        "source_partition": rating["source_partition"],
        "source_offset": rating["source_offset"],
        "rule": RULE,
    }


def raise_undelivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise RuntimeError(f"{message.topic()}: {error}")


if __name__ == "__main__":
    loop = Loop(os.environ)
    signal.signal(signal.SIGTERM, loop.stop)
    loop.run()
