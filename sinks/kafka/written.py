"""The messages of a topic that an earlier run has written, and that this run may be given again."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterable

from confluent_kafka import KafkaException, Message
from prometheus_client import Counter

from ..errors import SinkError
from .messages import Identity, KafkaRecord
from .spans import Span, between, merge, to_read
from .state import LaneState
from .topic import Topic

log = logging.getLogger(__name__)

_read_back = Counter("kafka_sink_read_back", "Messages of an output topic read back after a restart", ["topic"])
_left_out = Counter("kafka_sink_already_written", "Messages not written because an earlier run wrote them", ["topic"])
_unknown = Counter(
    "kafka_sink_ends_unknown",
    "Snapshots that kept older end offsets because the brokers did not answer in time",
    ["topic"],
)

_SNAPSHOT_SECONDS = 2.0
_START_SECONDS = 30.0
_SETTLE_SECONDS, _SETTLE_TIMES = 0.1, 10


class ReadBackError(SinkError):
    """The messages of an earlier run cannot be read back, so they would be written again."""


class Written:
    """The identities of the messages that are already on a topic, for all writers to it in a process.

    A snapshot holds the ends of the topic's partitions. After a restart, the messages above them were written by the
    run before, after its last durable snapshot. They come again, are recognised by their identities, and are left out.

    Until all of them have come again, snapshots also hold the spans that were read: the next run may be killed as soon
    as this one.
    """

    def __init__(self, topic: Topic, identity: Identity, clock: Callable[[], float] = time.monotonic) -> None:
        self._topic, self._identity, self._clock = topic, identity, clock
        self._lock = threading.Lock()
        self._states: list[LaneState] = []  # of lanes, not read back yet
        self._already: set[Hashable] = set()
        self._closed: list[Span] = []  # where the messages are that may come again
        self._forget_at = self._ask_at = 0.0
        self._ends: tuple[int, ...] | None = None
        self._id: str | None = None
        self._changed = True  # something may have been written since the ends were asked for

    def restore(self, state: LaneState) -> bool:
        """Take the state that a lane goes on from; return whether it is one of this topic."""
        if state.topic != self._topic.name:
            return False
        with self._lock:
            self._states.append(state)
        return True

    def rest(self, messages: Iterable[KafkaRecord]) -> Iterable[KafkaRecord]:
        """The messages that are not on the topic yet.

        Raises:
            ReadBackError: the messages of an earlier run cannot be read.
        """
        if self._states:
            self._read()
        if messages:
            self._changed = True
        if not self._already:
            return messages
        messages = list(messages)
        identities = [self._identity.of_record(message) for message in messages]
        if self._already.isdisjoint(identities):
            return messages
        rest = [message for message, identity in zip(messages, identities, strict=True) if self._is_new(identity)]
        _left_out.labels(self._topic.name).inc(len(messages) - len(rest))
        return rest

    def state(self) -> LaneState | None:
        """The state of a lane whose messages are all acknowledged; None while the topic's ends were never known.

        If the ends cannot be had now, those of the snapshot before are kept: then more is read back, and still nothing
        is written twice.

        Raises:
            ReadBackError: see ``rest``.
        """
        if self._states:
            self._read()
        with self._lock:
            self._forget_in_time()
            if self._changed and self._clock() >= self._ask_at:
                self._ask_for_ends()
            if self._ends is None:
                return None
            self._id = self._id or self._topic.id()
            spans = tuple(self._closed) if self._already else ()
            return LaneState(self._topic.name, self._id, spans, self._ends)

    def _is_new(self, identity: Hashable) -> bool:
        if identity not in self._already:
            return True
        self._already.discard(identity)
        return False

    def _ask_for_ends(self) -> None:
        self._changed = False
        try:
            ends = self._topic.ends(_SNAPSHOT_SECONDS)
        except KafkaException as error:
            self._changed, self._ask_at = True, self._clock() + _SNAPSHOT_SECONDS
            _unknown.labels(self._topic.name).inc()
            log.warning("%s: its ends cannot be had, those before are kept: %s", self._topic.name, error)
            return
        before, self._ends = self._ends, ends
        if before is None or len(ends) < len(before) or any(map(int.__gt__, before, ends)):
            # It is new to us, or shorter than before: it was deleted and made again, with another id.
            self._id = None
            self._topic.ask_id()

    def _read(self) -> None:
        with self._lock:
            if not self._states:
                return
            try:
                self._read_states()
            except (KafkaException, TimeoutError) as error:
                why = error.args[0].str() if isinstance(error, KafkaException) else str(error)
                raise ReadBackError(
                    f"topic {self._topic.name} cannot be read back, so its last messages would be written twice: {why}"
                ) from error
            self._states.clear()

    def _read_states(self) -> None:
        began, count = self._clock(), 0
        self._topic.ask_id()
        if any(state.topic_id is not None for state in self._states):
            self._id = self._topic.id(_START_SECONDS)
        self._ends = self._topic.await_ends(_START_SECONDS)
        spans = new = to_read(self._states, self._id, self._ends)
        for _ in range(_SETTLE_TIMES):
            for message in self._topic.read(new, _START_SECONDS):
                count += 1
                self._know(message)
            # The last requests of a killed process may be written after it is gone.
            time.sleep(_SETTLE_SECONDS)
            before, self._ends = self._ends, self._topic.await_ends(_START_SECONDS)
            new = between(before, self._ends)
            if not new:
                break
            spans = merge([*spans, *new])
        self._closed = merge([*self._closed, *spans])
        self._forget_at = self._clock() + self._identity.remember.total_seconds()
        _read_back.labels(self._topic.name).inc(count)
        what = "%s: read %d messages back in %.1f s; %d of them are not written again if they come again"
        log.info(what, self._topic.name, count, self._clock() - began, len(self._already))

    def _know(self, message: Message) -> None:
        try:
            identity = self._identity.of_message(message.key(), message.value(), message.headers())
        except Exception:  # whatever others write there
            return
        if identity is not None:
            self._already.add(identity)

    def _forget_in_time(self) -> None:
        if self._already and self._clock() >= self._forget_at:
            what = "%s: %d messages of an earlier run did not come again"
            log.info(what, self._topic.name, len(self._already))
            self._already.clear()
