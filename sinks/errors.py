"""Errors of sinks. The message of each is one line that says what to do."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Limit = Callable[[int, Sequence[tuple[str, str]]], None]
"""Is told with each snapshot what became of the records since the last one: how many the destination took, and the
kinds and reasons of the errors for which it refused others. It raises ``Refused`` once that is no longer taken to be
the fault of records: the flow stops."""


def no_limit(_taken: int, _errors: Sequence[tuple[str, str]]) -> None:
    """The limit of a destination that may refuse all records."""


class SinkError(RuntimeError):
    """A destination did not take something. Raised to Bytewax, it stops the flow, and the epoch is read again."""

    retryable = True
    """Whether the same request, or the same job after a restart, may succeed without anybody's help."""


class Refused(SinkError):
    """The destination refuses, and will go on refusing until an operator acts."""

    retryable = False


@contextmanager
def logged(logger: str) -> Iterator[None]:
    """Log the error that leaves a method, since a cluster of Bytewax processes ends without its text.

    A context manager and a decorator. A ``SinkError`` is one line; any other error has its traceback, too.
    """
    try:
        yield
    except Exception as error:
        message = " ".join(str(error).split())
        traceback = not isinstance(error, SinkError)
        log = logging.getLogger(logger)
        log.error("%s: %s", type(error).__name__, message, exc_info=traceback, extra={"event": "a sink failed"})
        raise
