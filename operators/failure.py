"""A record that a step cannot process: it goes its own way, and the others of its batch go on."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from prometheus_client import Counter
from typing_extensions import override

from operators.batch import Batch
from operators.limit import FailureLimit

X = TypeVar("X")
Y = TypeVar("Y")

log = logging.getLogger(__name__)

_failed = Counter("step_failures", "Records that a step could not process: each is a dead letter", ["step"])

LOG_SECONDS = 60.0


class Failure(NamedTuple):
    """A record that made a step raise."""

    record: Any
    step: str
    error: str
    """The name of the exception's class."""
    reason: str


class Failures(Batch[Failure]):
    """The failures of one batch. They are of any type, and pickled as they are."""

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


def is_failures(item: tuple[str, object]) -> bool:
    """Whether an item of a stream is failures, for ``op.branch``."""
    return isinstance(item[1], Failures)


class Failing:
    """Makes a step's failures; counts and logs them, up to the step's limit."""

    def __init__(self, step: str, limit: FailureLimit) -> None:
        self._step, self._limit, self._count = step, limit, _failed.labels(step)
        self._unexpected = Unexpected(step)
        self.passed = limit.passed

    def failure(self, record: Any, error: Exception) -> Failure:
        """The failure of a record that raised ``error``.

        Raises:
            TooManyFailures: it is one too many.
        """
        kind, reason = type(error).__name__, str(error)
        self._count.inc()
        self._unexpected.log("a record", error)
        self._limit.failed_in(self._step, kind, reason)
        return Failure(record, self._step, kind, reason)

    def sift(self, whole: Callable[[Sequence[X]], Batch[Y]], records: Sequence[X], failures: Failures) -> Batch[Y]:
        """What ``whole`` makes of the records, but of those that it raises for: they are added to ``failures``.

        ``whole`` is tried on halves, down to single records, so it sees a record several times.

        Raises:
            Exception: ``whole`` raises for no records at all.
            TooManyFailures: too many records of the step have failed by now.
        """
        try:
            made = whole(records)
        except Exception as error:
            if not records:
                raise
            if len(records) == 1:
                failures.append(self.failure(records[0], error))
                return Batch()
        else:
            self.passed(len(records))
            return made
        middle = len(records) // 2
        first = self.sift(whole, records[:middle], failures)
        first += self.sift(whole, records[middle:], failures)
        return first


class Unexpected:
    """Logs exceptions that nobody expected: with the traceback, once a minute for each kind."""

    def __init__(self, step: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._step, self._clock = step, clock
        self._kinds: dict[str, tuple[float, int]] = {}  # when it was logged, and how many were not since

    def log(self, what: str, error: Exception) -> None:
        """Log the exception that ``what`` raised, if it is time to; else count it for the next line."""
        kind, now = type(error).__name__, self._clock()
        at, suppressed = self._kinds.get(kind, (now - LOG_SECONDS, 0))
        if now - at < LOG_SECONDS:
            self._kinds[kind] = at, suppressed + 1
            return
        self._kinds[kind] = now, 0
        more = f" (and {suppressed:,} more {kind} since the last such line)" if suppressed else ""
        log.error("%s: %s%s", self._step, what, more, exc_info=error, extra={"event": "a step raised an error"})
