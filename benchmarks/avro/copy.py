"""A topic filled from another, in another format."""

from collections.abc import Callable

from confluent_kafka import Message

from benchmarks.outputs import messages
from benchmarks.topic import Record, write
from servers.kafka import Kafka


def copy(kafka: Kafka, source: str, target: str, change: Callable[[bytes], bytes]) -> None:
    """Write what `change` makes of each value of `source` to the empty topic `target`.

    Partitions, keys, timestamps and offsets are the same.
    """

    def changed(message: Message) -> Record:
        return message.key(), change(message.value() or b""), message.timestamp()[1], message.partition() or 0

    write(kafka, target, map(changed, messages(kafka, source)))
