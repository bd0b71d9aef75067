"""What the job writes to Kafka, read back: enriched ratings, alerts and dead letters.

The types hold the fields that are looked at here and require them: they are the contract, not the job's own code.
"""

from base64 import b64decode
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from typing_extensions import Self

from demo.topics import ALERTS, DEAD_LETTERS, ENRICHED, PARTITIONS, RATINGS

_BATCH = 2000
"""So many records are read in one go at most."""


class Enriched(msgspec.Struct, gc=False):
    """An enriched rating."""

    rating_id: int
    stars: int | None
    channel: str | None
    club_status: str | None


class Alert(msgspec.Struct, gc=False):
    """An alert of an unhappy platinum customer."""

    rating_id: int
    full_name: str | None
    email: str | None
    club_status: str | None
    stars: int
    channel: str | None
    message: str | None


class DeadLetter(NamedTuple):
    """A dead letter of a rating."""

    rating_id: int
    """From the rating's key: the value may hold none."""


class Unreadable(NamedTuple):
    """A record that breaks the contract."""

    why: str


Output = Enriched | Alert | DeadLetter | Unreadable


class _Letter(msgspec.Struct, gc=False):
    topic: str
    key: str | None
    error: str
    message: str


_decode_letter = msgspec.json.Decoder(_Letter).decode


def _dead_letter(value: bytes) -> DeadLetter:
    letter = _decode_letter(value)
    if letter.topic != RATINGS:
        raise ValueError(f"a dead letter of {letter.topic}: {letter.error}: {letter.message}")
    return DeadLetter(int(b64decode(letter.key or "")))


_DECODERS: dict[str, Callable[[bytes], Output]] = {
    ENRICHED: msgspec.json.Decoder(Enriched).decode,
    ALERTS: msgspec.json.Decoder(Alert).decode,
    DEAD_LETTERS: _dead_letter,
}


def decode_output(topic: str, value: bytes | None) -> Output:
    """Read a record of one of the output topics; never raises."""
    try:
        return _DECODERS[topic](value or b"")
    except ValueError as error:  # of msgspec, int and base64 alike
        return Unreadable(f"{topic}: {error}: {(value or b'')[:200].decode(errors='replace')}")


class Outputs:
    """Reads all records of the output topics from their beginning, as the only member of its group."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "embedded-outputs",  # required, though nothing is committed
                "enable.auto.commit": False,
                # The embedded Kafka answers an empty fetch only after this time, whatever comes meanwhile.
                "fetch.wait.max.ms": 20,
                "log_level": 3,  # errors only: notices would break the view
            }
        )
        self._consumer.assign(
            [
                TopicPartition(topic, partition, OFFSET_BEGINNING)
                for topic in _DECODERS
                for partition in range(PARTITIONS[topic])
            ]
        )

    def read(self, seconds: float) -> list[Output]:
        """Give what has come, waiting so long at most.

        Raises:
            KafkaException: an output topic cannot be read.
        """
        outputs = []
        for message in self._consumer.consume(_BATCH, seconds):
            if error := message.error():
                raise KafkaException(error)
            outputs.append(decode_output(message.topic() or "", message.value()))
        return outputs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
