"""Logs what makes a cluster end: Bytewax loses an exception that a step raises in one of several processes.

Sources and sinks log their errors themselves.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar

from bytewax.dataflow import Dataflow, Operator

from operators.limit import TooManyFailures
from operators.state import StateError

log = logging.getLogger(__name__)

_CALLED = ("mapper", "predicate", "builder")
"""What Bytewax's own operators call: ``flat_map_batch``, ``branch`` and ``stateful_batch``."""
_LOGIC = ("on_batch", "on_notify", "on_eof", "notify_at", "snapshot")
_LOGGED = (TooManyFailures, StateError)
"""Errors with a line of their own in the log already."""

T = TypeVar("T")


def log_causes(flow: Dataflow) -> None:
    """Have each step of the flow log the exceptions that it raises, with their tracebacks."""
    for step in _steps(flow.substeps):
        for name in _CALLED:
            if (call := getattr(step, name, None)) is not None:
                object.__setattr__(step, name, _logging(step.step_id, _in_full(name, call, step.step_id)))


def _steps(steps: Iterable[Operator]) -> Iterator[Operator]:
    """The steps that Bytewax runs: those that no others make up."""
    for step in steps:
        if getattr(step, "core", False):
            yield step
        else:
            yield from _steps(step.substeps)


def _in_full(name: str, call: Callable[..., Any], step: str) -> Callable[..., Any]:
    """The same, but all that it does is done when it returns."""
    if name == "mapper":
        return lambda batch: list(call(batch))  # a generator would raise in Bytewax
    if name == "builder":

        def build(state: Any) -> Any:
            logic = call(state)
            for method in _LOGIC:
                setattr(logic, method, _logging(step, getattr(logic, method)))
            return logic

        return build
    return call


def _logging(step: str, call: Callable[..., T]) -> Callable[..., T]:
    @wraps(call)
    def logged(*arguments: Any) -> T:
        try:
            return call(*arguments)
        except _LOGGED:
            raise
        except Exception:
            log.exception("step %s fails, and the cluster ends", step)
            raise

    return logged
