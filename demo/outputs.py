"""What the job and the notifier write to Kafka, read back.

The types hold the fields that are looked at here and require them: they are the contract, not the job's own code.
"""

from base64 import b64decode
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from demo.topics import ALERTS, DEAD_LETTERS, ENRICHED, NOTIFIED, RATINGS, STATISTICS
from servers.topics import Reader


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


class Intent(NamedTuple):
    """A message that the notifier is about to send."""

    id: str
    is_digest: bool
    rating_ids: list[int]


class Ended(NamedTuple):
    """A message that was sent."""

    id: str


class Taken(NamedTuple):
    """An alert that the notifier will tell: nothing is asked of it here."""


class Statistic(msgspec.Struct, gc=False):
    """How many ratings of a window have a value in a dimension; a later one of the same replaces it."""

    window_start: int
    dimension: str
    count: int
    alerts: int


class Unreadable(NamedTuple):
    """A record that breaks the contract."""

    why: str


Output = Enriched | Alert | DeadLetter | Intent | Ended | Taken | Statistic | Unreadable


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


class _Notice(msgspec.Struct, gc=False):
    id: str
    keys: list[str]
    about: str | None


class _Record(msgspec.Struct, gc=False):
    type: str
    notice: _Notice | None = None
    id: str | None = None
    outcome: str | None = None


_decode_record = msgspec.json.Decoder(_Record).decode


def _notified(value: bytes) -> Intent | Ended | Taken:
    record = _decode_record(value)
    if record.notice is not None:
        rating_ids = [int(key.rpartition("/")[2]) for key in record.notice.keys]
        return Intent(record.notice.id, record.notice.about is None, rating_ids)
    if record.id is not None:
        if record.outcome != "told":
            raise ValueError(f"a message was {record.outcome}")
        return Ended(record.id)
    return Taken()


_DECODERS: dict[str, Callable[[bytes], Output]] = {
    ENRICHED: msgspec.json.Decoder(Enriched).decode,
    ALERTS: msgspec.json.Decoder(Alert).decode,
    DEAD_LETTERS: _dead_letter,
    NOTIFIED: _notified,
    STATISTICS: msgspec.json.Decoder(Statistic).decode,
}


def decode_output(topic: str, value: bytes | None) -> Output:
    """Read a record of one of the output topics; never raises."""
    try:
        return _DECODERS[topic](value or b"")
    except ValueError as error:  # of msgspec, int and base64 alike
        return Unreadable(f"{topic}: {error}: {(value or b'')[:200].decode(errors='replace')}")


class Outputs(Reader):
    """Reads all records of the output topics from their beginning."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, *_DECODERS)

    def outputs(self, seconds: float) -> list[Output]:
        """Give what has come, waiting so long at most.

        Raises:
            KafkaException: an output topic cannot be read.
        """
        return [decode_output(message.topic() or "", message.value()) for message in self.poll(seconds)]
