"""Topics written and read by others than the job: what tests, the demo and the benchmarks put in, and what came out."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from typing_extensions import Self

_SECONDS = 60
ANY = -1
_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._UNKNOWN_PARTITION,
)

Content = str | bytes | None
Place = tuple[str, int]
Headers = list[tuple[str, str | bytes | None]]


class Record(NamedTuple):
    """What is written as a message."""

    key: Content
    value: Content
    partition: int = ANY
    """ANY: as Java's clients choose it by the key."""
    timestamp: int = 0
    """Epoch milliseconds; 0: now."""
    headers: Headers | None = None


def write(
    bootstrap: str,
    topic: str,
    records: Iterable[Record | tuple[Content, Content]],
    on_written: Callable[[Message], None] | None = None,
) -> None:
    """Write the records of each partition in their order; return when all are written.

    Args:
        bootstrap: of the brokers.
        topic: exists.
        records: or keys and values only.
        on_written: is called for each message.

    Raises:
        RuntimeError: a record was not written.
    """
    failures: list[str] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(str(error))
        elif on_written is not None:
            on_written(message)

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2",  # Java's, which Debezium and Kafka Connect use
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": 10_000_000,
            "on_delivery": on_delivery,
            "delivery.report.only.error": on_written is None,
            "log_level": 3,  # errors; a coordinator that is still loading is none
        }
    )
    for record in records:
        key, value, partition, timestamp, headers = Record(*record)
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=timestamp, headers=headers)
            except BufferError:
                producer.poll(0.05)
            else:
                break
        if failures:
            break
    left = producer.flush(_SECONDS)
    if failures or left:
        raise RuntimeError(f"{topic}: {failures[0] if failures else f'not written after {_SECONDS} s'}")


class Reader:
    """Reads topics from their beginnings, in no group.

    Args:
        bootstrap: of the brokers.
        topics: they may be created later, until then they are empty.
        config: more properties of the consumer.
    """

    def __init__(self, bootstrap: str, *topics: str, **config: str | int) -> None:
        self._topics = topics
        properties: dict[str, str | int | bool] = {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",  # required, though nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            # The embedded Kafka answers an empty fetch only after this time, whatever comes meanwhile.
            "fetch.wait.max.ms": 20,
            "log_level": 3,  # errors only: notices would break the demo's view
        }
        self._consumer = Consumer(properties | {name.replace("_", "."): value for name, value in config.items()})
        self._known: list[Place] = []
        self._next: dict[Place, int] = {}
        """The next offset to read."""

    def poll(self, seconds: float) -> list[Message]:
        """Wait so long at most, or until many messages came, and return what came.

        Raises:
            KafkaException: a topic cannot be read.
        """
        if not self._next and (places := self._places()):
            self._next = dict.fromkeys(places, 0)
            self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in places])
        messages = []
        for message in self._consumer.consume(10_000, seconds):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            self._next[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + (error is None)
        return messages

    def read(self) -> Iterator[Message]:
        """The messages from where it came to up to the present end.

        Raises:
            KafkaException: a topic cannot be read.
            TimeoutError: the end is not reached within a minute.
        """
        deadline = time.monotonic() + _SECONDS
        ends = self._ends()
        while any(self._next.get(place, 0) < end for place, end in ends.items()):
            yield from self.poll(0.1)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._topics} are read up to {self._next}, not {ends}")

    def take(self, count: int, seconds: float = 30) -> list[Message]:
        """So many messages or more; fewer, if no more come in time."""
        messages: list[Message] = []
        deadline = time.monotonic() + seconds
        while len(messages) < count and time.monotonic() < deadline:
            messages += self.poll(0.1)
        return messages

    def ends(self) -> list[int]:
        """The offset at which each partition ends; of each topic, in the order of its partitions."""
        return list(self._ends().values())

    def committed(self) -> list[int]:
        """The offset that the group of `group_id` has committed of each partition, likewise; negative for none."""
        places = [TopicPartition(*place) for place in self._places()]
        return [place.offset for place in self._consumer.committed(places, timeout=30)]

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _ends(self) -> dict[Place, int]:
        return {place: self._end(TopicPartition(*place)) for place in self._places()}

    def _end(self, place: TopicPartition) -> int:
        """A broker that has just started, or the leader of a topic just made, may refuse for a moment: ask again."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                return self._consumer.get_watermark_offsets(place, timeout=30)[1]
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                # Until then the client goes by the last answer, for minutes.
                self._consumer.list_topics(place.topic, timeout=30)

    def _places(self) -> list[Place]:
        if not self._known:
            for topic in self._topics:
                partitions = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
                self._known += [(topic, number) for number in sorted(partitions)]
        return self._known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(bootstrap: str, topic: str) -> Iterator[Message]:
    """All messages of a topic up to its present end."""
    with Reader(bootstrap, topic) as reader:
        yield from reader.read()


def count(bootstrap: str, topic: str) -> int:
    """The number of messages that were ever appended to a topic; markers of transactions count as messages."""
    with Reader(bootstrap, topic) as reader:
        return sum(reader.ends())
