"""The threads that post messages: intent, post, ending."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from prometheus_client import Counter, Gauge, Histogram

from ..background import Every, HeldBack, back_off
from ..errors import SinkError
from ..outage import Outage
from .desk import Desk, Draft, Limits
from .gate import Gate
from .journal import Ended, InDoubt, Intent, Journal, Recall, Taken
from .notice import Entry, Notice
from .way import Again, Denied, Unwelcome, Way

log = logging.getLogger(__name__)

_sent = Counter("notices_sent", "Messages that were accepted, by kind: alone (about one record) or digest", ["kind"])
_last = Gauge(
    "notices_last_message_timestamp_seconds", "Time at which a message was last accepted, in epoch seconds; 0: not yet"
)
_told = Counter("notices_told", "Records that an accepted message tells, by its kind: alone or digest", ["kind"])
_suppressed = Counter(
    "notices_suppressed", "Records that are not told, by reason: age (too old when they came) or repeated", ["reason"]
)
_refused = Counter("notices_refused", "Records whose message was refused, by reason: each is a dead letter", ["reason"])
_retries = Counter("notices_retries", "Times that a message was posted again, or will be, by reason", ["reason"])
_waiting = Gauge("notices_waiting", "Records that wait to be told")
_seconds = Histogram(
    "notices_seconds",
    "Duration from a record's time to the acceptance of the message that tells it",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600, 14400),
)

_AFFIRM_SECONDS = 1.0  # how old an intent may be when its message is posted
_DOUBT_SECONDS = 1.0  # a request whose answer was lost may still be at work
_FLUSH_SECONDS = 120.0
_END_SECONDS = 30.0

Compose = Callable[[Sequence[Entry], bool], dict[str, Any]]
"""Makes the body of a message about entries; whether it is a digest. A digest has the worst first."""
Reject = Callable[[Sequence[Entry], str, str], None]
"""Takes entries whose message was refused, the kind of refusal and the reason; it returns when they are safe.

Several threads may call it.
"""


def clock_name() -> str:
    """The name of ``time.monotonic`` on this machine until it is started again; empty if it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _age(told: tuple[float, str | None]) -> float:
    return -told[0]


@dataclass(frozen=True)
class Terms:
    """What a clerk works by."""

    limits: Limits
    way: Way
    compose: Compose
    reject: Reject
    stopping: Callable[[], bool] = lambda: False
    """While this holds, ``take`` waits for nothing: the last snapshot is to be taken."""
    clock: Callable[[], float] = field(default=time.monotonic)
    """Seconds; it only runs forward."""
    clock_name: str = field(default_factory=clock_name)
    """Of ``clock``: the same name in the next process, if that has the same clock; empty if nobody can tell."""
    wall: Callable[[], float] = field(default=time.time)
    """Epoch seconds; it may jump."""


class Clerk:
    """Takes entries from the flow's thread, and posts messages in threads of its own until ``close``.

    There are as many threads as messages may be posted at once. Each has one message at a time, from its intent to its
    ending, so no more than that are ever in doubt. The journal writes intents of several threads in one request.
    """

    def __init__(self, terms: Terms, journal: Journal) -> None:
        """Go on from where the journal's last run ended.

        Raises:
            SinkError: the journal cannot be read.
        """
        self._terms, self._journal = terms, journal
        self._desk, self._gate = Desk(terms.limits), Gate(terms.way.at_once)
        lock = threading.Lock()  # of the desk and of the gate
        self._room, self._due, self._turn = (threading.Condition(lock) for _ in range(3))
        self._writing: set[Future[None]] = set()
        self._failure: Exception | None = None
        self._closed = threading.Event()
        self._report = Every()  # one line for all threads
        self._outage = Outage(terms.way.name)
        self._in_doubt = self._recall()
        self._threads = [
            threading.Thread(target=self._run, name=f"clerk-{number}", daemon=True)
            for number in range(terms.way.at_once)
        ]
        for thread in self._threads:
            thread.start()

    def _recall(self) -> deque[InDoubt]:
        recall = Recall()
        for record in self._journal.read():
            recall.add(record)
        keys, waiting, in_doubt, told = recall.result()
        now, wall = self._terms.clock(), self._terms.wall()
        self._desk.know(keys)
        for entry in waiting:
            self._desk.keep(entry, now, wall)
        for age, about in sorted(((one.age(self._terms.clock_name, now, wall), one.about) for one in told), key=_age):
            self._desk.remember(about, now - age)
        for one in in_doubt:
            self._desk.reserve(one.notice.about)
        _waiting.inc(len(waiting) + sum(len(one.entries) for one in in_doubt))
        if waiting or in_doubt:
            log.info("%d records wait from an earlier run, and %d messages are in doubt", len(waiting), len(in_doubt))
        return deque(in_doubt)

    def take(self, entries: Iterable[Entry]) -> None:
        """Take entries; while too many wait, hold the flow back.

        Raises:
            SinkError: a thread has failed.
        """
        for entry in entries:
            with self._room, HeldBack() as held_back:
                while self._desk.waiting >= self._terms.limits.most_waiting and not self._terms.stopping():
                    self._check()
                    self._room.wait(0.2)
                    held_back.tell("%d records wait to be told", self._desk.waiting)
                self._check()
                verdict = self._desk.take(entry, self._terms.clock(), self._terms.wall())
                if verdict == "taken":
                    self._write(Taken(entry))
                    _waiting.inc()
                    self._due.notify()
                else:
                    _suppressed.labels(verdict).inc()

    def flush(self) -> None:
        """Return when all that was taken is in the journal.

        Raises:
            SinkError: it is not within two minutes, or never will be.
        """
        self._check()
        deadline = time.monotonic() + _FLUSH_SECONDS
        with self._room:
            writing = list(self._writing)
        for written in writing:
            try:
                written.result(max(0.0, deadline - time.monotonic()))
            except FutureTimeoutError:
                raise SinkError(f"the journal does not answer within {_FLUSH_SECONDS:.0f} s") from None
        self._check()

    def close(self) -> None:
        """End the threads. They post nothing more, and write down the answers of requests that are under way."""
        self._closed.set()
        with self._room:
            for condition in (self._room, self._due, self._turn):
                condition.notify_all()
        deadline = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._journal.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write(self, record: Taken | Ended) -> None:
        """Write a record that ``flush`` waits for."""
        written = self._journal.write(record)
        self._writing.add(written)
        written.add_done_callback(self._is_written)

    def _is_written(self, written: "Future[None]") -> None:
        self._writing.discard(written)
        if error := written.exception():
            self._failure = self._failure or SinkError(str(error))

    def _run(self) -> None:
        try:
            while (due := self._next()) is not None:
                if isinstance(due, Draft):
                    self._tell(due)
                else:
                    self._deliver(due.notice, due.entries, in_doubt=True)
        except Exception as error:
            log.exception("a thread of the clerk has ended")
            with self._room:
                self._failure = self._failure or error
                self._room.notify_all()

    def _next(self) -> InDoubt | Draft | None:
        """Wait for a message that is in doubt or due; None once closed."""
        with self._due:
            while not self._closed.is_set():
                if self._in_doubt:
                    return self._in_doubt.popleft()
                due = self._desk.next(self._terms.clock())
                if isinstance(due, Draft):
                    self._room.notify_all()
                    self._due.notify()  # another thread looks after what is due next
                    return due
                self._due.wait(min(due, 1.0))
        return None

    def _tell(self, draft: Draft) -> None:
        about, at = draft.about, int(self._terms.wall() * 1000)
        keys = tuple(entry.key for entry in draft.entries)
        body = self._terms.compose(draft.entries, draft.is_digest)
        notice = Notice(str(uuid.uuid4()), draft.to, keys, about, at, body)
        if self._await(self._journal.write(Intent(notice))):
            self._deliver(notice, draft.entries, in_doubt=False)

    def _await(self, written: "Future[None]") -> bool:
        """Wait until a record is safe; False if closed before. Until then nothing may be posted."""
        is_late = Every(after=10)
        while not self._closed.is_set():
            try:
                written.result(0.2)
            except FutureTimeoutError:
                if is_late() and self._report():
                    log.warning("the journal does not answer: nothing is sent until it does")
            else:
                return True
        return False

    def _deliver(self, notice: Notice, entries: Sequence[Entry], *, in_doubt: bool) -> None:
        """Post until it is answered, or closed: then it is in doubt, and the next run goes on with it."""
        if in_doubt:  # the process before this one may be alive, and about to post it
            self._closed.wait(_AFFIRM_SECONDS + _DOUBT_SECONDS)
        attempt, affirmed = 0, self._terms.clock()
        while self._enter():
            if self._terms.clock() - affirmed > _AFFIRM_SECONDS:
                # The journal may be another process's by now, which goes on with this message: then this raises.
                if not self._await(self._journal.write(Intent(notice))):
                    break
                affirmed = self._terms.clock()
            error = self._post(notice, in_doubt)
            pause = self._leave(error)
            match error:
                case None:
                    self._told(notice, entries)
                    break
                case Unwelcome():
                    self._refuse(notice, entries, error)
                    break
                case Again():
                    _retries.labels("again").inc()
                    in_doubt = in_doubt or error.is_doubtful
                    attempt += 1
                    pause = max(pause or back_off(attempt), _DOUBT_SECONDS if error.is_doubtful else 0.0)
                case Denied():
                    _retries.labels("denied").inc()
            self._outage.failed(str(error))
            if self._report():
                log.warning("%s: tried again in %.1f s: %s", self._terms.way.name, pause, error)
            self._closed.wait(pause)
        self._outage.over()

    def _enter(self) -> bool:
        """Wait until a post may begin; False once closed."""
        with self._turn:
            while not self._closed.is_set():
                if not (seconds := self._gate.enter(self._terms.clock())):
                    return True
                self._turn.wait(min(seconds, 1.0))
        return False

    def _post(self, notice: Notice, in_doubt: bool) -> Again | Denied | Unwelcome | None:
        try:
            if in_doubt and self._terms.way.has(notice):
                log.info("message %s had arrived: it is not sent again", notice.id)
            else:
                self._terms.way.post(notice)
        except (Again, Denied, Unwelcome) as error:
            return error
        return None

    def _leave(self, error: Again | Denied | Unwelcome | None) -> float:
        """End a post; return the seconds for which its error holds all posts back."""
        with self._turn:
            self._gate.leave()
            self._turn.notify_all()
            match error:
                case Again() if error.seconds is not None:
                    self._gate.pause(self._terms.clock(), error.seconds)
                    return error.seconds
                case Denied():
                    return self._gate.deny(self._terms.clock())
                case None | Unwelcome():
                    self._gate.accept()
        return 0.0

    def _told(self, notice: Notice, entries: Sequence[Entry]) -> None:
        wall = self._end(notice, "told")
        kind = "digest" if notice.about is None else "alone"
        _sent.labels(kind).inc()
        _last.set_to_current_time()
        _told.labels(kind).inc(len(notice.keys))
        _waiting.dec(len(entries))
        for entry in entries:
            _seconds.observe(max(0.0, wall - entry.at / 1000))

    def _refuse(self, notice: Notice, entries: Sequence[Entry], error: Unwelcome) -> None:
        log.error("%s refuses a message, which is a dead letter now: %s", self._terms.way.name, error)
        _refused.labels(error.code).inc(len(notice.keys))
        self._terms.reject(entries, error.code, str(error))
        self._end(notice, "refused")
        _waiting.dec(len(entries))

    def _end(self, notice: Notice, outcome: Literal["told", "refused"]) -> float:
        """Write the ending of a message; return when that was, in epoch seconds."""
        with self._due:
            now, wall = self._terms.clock(), self._terms.wall()
            self._write(Ended(notice.id, int(wall * 1000), outcome, self._terms.clock_name, now))
            if outcome == "told":
                self._desk.told(notice.about, now)
            else:
                self._desk.refused(notice.about, notice.keys)
        return wall
