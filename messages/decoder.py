"""How the messages of a topic become records, one at a time or a poll at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Literal, TypeVar

from messages.message import Message

T = TypeVar("T")


class Alone(Enum):
    """Stands for a record that has to be decoded alone."""

    ALONE = 0


ALONE: Literal[Alone.ALONE] = Alone.ALONE


def _none(_messages: Sequence[Message]) -> None:
    return None


@dataclass(frozen=True)
class Decoder(Generic[T]):
    """Makes records of type T of messages."""

    one: Callable[[Message], T | None]
    """A message's record; None for a message that is passed over. Raises DecodeError for one that is neither."""
    many: Callable[[Sequence[Message]], Sequence[T | Literal[Alone.ALONE] | None] | None] = _none
    """The records of all messages, where that is faster than one by one; None where it is not. In place of what it
    cannot decode is ALONE."""
