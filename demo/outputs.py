"""What the job writes to Kafka, read back: enriched ratings, alerts and dead letters.

The types hold the fields that are looked at here and require them: they are the contract, not the job's own code.
"""

from base64 import b64decode
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from demo.topics import ALERTS, DEAD_LETTERS, ENRICHED, RATINGS
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
