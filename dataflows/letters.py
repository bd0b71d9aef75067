"""The dead letters of what was refused after decoding: by a step, a topic, an index or a bucket.

A letter holds the record as it was read. Here only its place is known by then, so it is read again from Kafka: this is
rare, and costs nothing where nothing is refused.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Stream
from confluent_kafka import KafkaException

from messages.dead_letter import DeadLetter, Refused, of_refused, to_message
from messages.message import Message
from operators.each import Batches
from operators.failure import Failure, Failures
from sinks.kafka import KafkaMessage

log = logging.getLogger(__name__)

Place = tuple[int, int]
"""Partition and offset."""

_AT_ONCE = 100
"""Originals in memory at a time."""


class Letters:
    """Makes the messages of dead letters of records of ``topic``.

    Args:
        topic: The ratings topic.
        read: The messages that are at these places of it, but of those that are gone.
    """

    def __init__(self, topic: str, read: Callable[[Iterable[Place]], Mapping[Place, Message]]) -> None:
        self._topic, self._read = topic, read
        self._lock = Lock()

    def __call__(self, refused: Sequence[Refused]) -> list[KafkaMessage]:
        """The messages, in the same order.

        Raises:
            KafkaException: the originals could not be read.
        """
        messages: list[KafkaMessage] = []
        for begin in range(0, len(refused), _AT_ONCE):
            some = refused[begin : begin + _AT_ONCE]
            originals = self._originals([(one.partition, one.offset) for one in some if one.partition >= 0])
            for one in some:
                original = originals.get((one.partition, one.offset))
                if original is not None and original.timestamp()[1] != one.timestamp:
                    original = None  # the topic was recreated: this is another record
                messages.append(KafkaMessage(*to_message(of_refused(self._topic, one, original))))
        return messages

    def _originals(self, places: list[Place]) -> Mapping[Place, Message]:
        try:
            with self._lock:  # sinks call from threads of their own
                return self._read(places)
        except KafkaException as error:
            log.error("records that became dead letters cannot be read again: %s", error.args[0].str())
            raise


def messages(
    malformed: Batches[DeadLetter], failed: Stream[tuple[str, Failures]], letters: Letters
) -> Stream[tuple[str, list[KafkaMessage]]]:
    """The messages of dead letters: of records that were at hand, and of what steps after decoding failed at."""
    return op.merge(
        "dead_letter_messages",
        op.map_value("malformed_messages", malformed, of_malformed),
        op.map_value("failed_messages", failed, lambda failures: letters([*map(refused_by_step, failures)])),
    )


def of_malformed(batch: Iterable[DeadLetter]) -> list[KafkaMessage]:
    """The messages of dead letters of records that were at hand."""
    return [KafkaMessage(*to_message(letter)) for letter in batch]


def refused_by_step(failure: Failure) -> Refused:
    """What a step could not process."""
    record, step, error, reason = failure
    place = origin(record)
    # A change of a customer does not carry where it was read: that would cost each of them for what none has done yet.
    return Refused(*place, step, error, reason if place != NOWHERE else f"{reason}: {record!r}")


def refused_records(step: str, destination: str, rejected: Iterable[tuple[Any, str, str]]) -> list[Refused]:
    """Records that a destination refused, each with the kind of error and the reason."""
    return [Refused(*origin(record), step, error, reason, None, destination) for record, error, reason in rejected]


NOWHERE = (-1, -1, -1)


def origin(record: Any) -> tuple[int, int, int]:
    """Partition, offset and Kafka timestamp (ms) of the rating that a record was made of, or NOWHERE."""
    try:
        partition, offset, time = record.source_partition, record.source_offset, record.rating_ts
    except AttributeError:
        return NOWHERE
    return partition, offset, time if type(time) is int else -1  # anything may be wrong with what is refused
