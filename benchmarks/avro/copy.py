"""A topic filled from another, in another format."""

from collections.abc import Callable

from confluent_kafka import Message

from servers.kafka import Kafka
from servers.topics import Record, read, write


def copy(kafka: Kafka, source: str, target: str, change: Callable[[bytes], bytes]) -> None:
    """Write what `change` makes of each value of `source` to the empty topic `target`.

    Partitions, keys, timestamps and offsets are the same.
    """

    def changed(message: Message) -> Record:
        return Record(message.key(), change(message.value() or b""), message.partition() or 0, message.timestamp()[1])

    write(kafka.bootstrap, target, map(changed, read(kafka.bootstrap, source)))
