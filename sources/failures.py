"""Logs the errors that a source raises."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


class Named(Protocol):
    """A source, or a partition of one."""

    @property
    def name(self) -> str:
        """Its name in the log."""
        ...


N = TypeVar("N", bound=Named)


def log_failures(method: Callable[Concatenate[N, P], T]) -> Callable[Concatenate[N, P], T]:
    """Log an error of the method in one line, and raise it: in a cluster Bytewax loses the text of an exception."""
    log = logging.getLogger(method.__module__)

    @wraps(method)
    def call(self: N, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except StopIteration:
            raise
        except Exception as error:
            what = self.name, type(error).__name__, " ".join(str(error).split())
            log.error("%s: %s: %s", *what, extra={"event": "a source failed"})
            raise

    return cast("Callable[Concatenate[N, P], T]", call)
