"""The topics that a run writes to, and what is read back from them."""

from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from benchmarks.backlog import PARTITIONS
from servers.kafka import Kafka


@dataclass(frozen=True)
class Outputs:
    """Topics of one run; their messages carry the time at which the broker appended them."""

    enriched: str
    alerts: str
    dead_letters: str

    @classmethod
    def create(cls, kafka: Kafka, run: str) -> "Outputs":
        """Create the topics of `run`, a name nobody had before."""
        outputs = cls(f"enriched-{run}", f"alerts-{run}", f"dead-letters-{run}")
        for topic in outputs.all():
            kafka.create_topic(topic, PARTITIONS, message_timestamp_type="LogAppendTime")
        return outputs

    def all(self) -> list[str]:
        """The names of the topics."""
        return [self.enriched, self.alerts, self.dead_letters]

    def delete(self, kafka: Kafka) -> None:
        """Delete the topics and what they hold."""
        admin = kafka.admin()  # held: without its client, a result never comes
        for deleted in admin.delete_topics(self.all()).values():
            deleted.result()


class Counter:
    """Counts the messages of a topic by its offsets: right as long as nobody writes transactions."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "counter"})

    def count(self) -> int:
        """The number of messages that were ever appended."""
        found = (
            self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=30)
            for partition in range(PARTITIONS)
        )
        return sum(high for _low, high in found)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()


def messages(kafka: Kafka, topic: str) -> Iterator[Message]:
    """All messages of `topic`, from the beginning to where it ends now."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "verify", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    ends = 0
    while ends < PARTITIONS:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                ends += 1
            else:
                raise RuntimeError(str(error))
    consumer.close()
