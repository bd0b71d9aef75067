"""A way out: where messages are posted, and what its answers mean."""

from collections.abc import Callable
from typing import Protocol

from ..errors import SinkError
from .notice import Notice


class Again(SinkError):
    """The way out is away or overloaded: the same message is posted again."""

    def __init__(self, why: str, *, seconds: float | None = None, is_doubtful: bool = False) -> None:
        super().__init__(why)
        self.seconds = seconds
        """To wait before, as it asked; None: it did not ask."""
        self.is_doubtful = is_doubtful
        """Whether the message may have been posted, though no answer came."""


class Denied(SinkError):
    """The way out refuses us, whatever the message: somebody has to act, and messages wait for that."""

    retryable = False


class Unwelcome(SinkError):
    """The way out refuses this message, and would refuse it again: it is rejected."""

    retryable = False

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
        """The kind of refusal, in a word."""


class Way(Protocol):
    """Posts messages, from ``at_once`` threads."""

    name: str
    """In the log."""
    at_once: int
    """Messages that may be posted at the same time: as many may be in doubt after a kill.

    It is 1 where a repetition cannot be recognised.
    """

    def post(self, notice: Notice) -> None:
        """Post a message; return once it is accepted. Nothing is tried twice in here.

        Raises:
            Again, Denied, Unwelcome
        """
        ...

    def has(self, notice: Notice) -> bool:
        """Whether a message in doubt is there; False where that cannot be told.

        Raises:
            Again, Denied
        """
        ...


class Printer:
    """Prints what would be posted: a body is ``{"text": ...}``."""

    name = "standard output"
    at_once = 1

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say

    def post(self, notice: Notice) -> None:
        """Print a message."""
        to = f" to {notice.to}" if notice.to else ""
        self._say(f"would send{to}: {notice.body['text']}")

    def has(self, notice: Notice) -> bool:
        """Nobody can tell what was printed."""
        return False
