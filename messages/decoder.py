"""Messages to records, one at a time or a poll at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Literal, TypeVar

from messages.message import Message

T = TypeVar("T")


class Alone(Enum):
    """Stands for a message that must be decoded by itself."""

    ALONE = 0


ALONE: Literal[Alone.ALONE] = Alone.ALONE


def _none(_messages: Sequence[Message]) -> None:
    return None


@dataclass(frozen=True)
class Decoder(Generic[T]):
    """Decodes messages into records of type T."""

    one: Callable[[Message], T | None]
    """The record of a message; None if the message is ignored. Raises DecodeError for any other message."""
    many: Callable[[Sequence[Message]], Sequence[T | Literal[Alone.ALONE] | None] | None] = _none
    """The records of all messages, with ALONE in place of each that it cannot decode. None: decode all by ``one``,
    which is as fast."""
