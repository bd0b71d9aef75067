"""A partition as Bytewax reads it: what it sends on, sets aside, keeps in the recovery store and commits."""

import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING

from bytewax.inputs import StatefulSourcePartition
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import Counter, Gauge
from typing_extensions import override

from messages.message import Message, Poll
from sources.epochs import Epochs
from sources.failures import log_failures
from sources.kafka.aside import Aside
from sources.kafka.position import Commits, Partition, Position, State, from_state, resume, start, to_state
from sources.kafka.reader import MAX_MESSAGES, Inbox, Reader

if TYPE_CHECKING:
    from sources.kafka.source import KafkaSource

log = logging.getLogger(__package__)

_read = Counter("kafka_source_messages", "Messages read", ["topic"])
_skipped = Counter("kafka_source_skipped", "Offsets that retention had removed before they were read", ["topic"])
_aside = Gauge("kafka_source_aside", "Messages that are set aside until they can be decoded", ["topic"])

_OFFER_SECONDS = 0.5
_FAR = 20_000
"""Reading again, so many offsets are sooner skipped than read."""
_SHORTEST_REST, _LONGEST_REST = 0.002, 0.05  # seconds

_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_OF_A_CHANGED_TOPIC = frozenset(
    {
        *_GONE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_FATAL = frozenset(
    {
        KafkaError._FATAL,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_PARTITION,
    }
)


class KafkaPartition(StatefulSourcePartition[Poll, State]):
    """A partition of a ``KafkaSource``.

    Raises:
        KafkaException: its offsets cannot be had.
    """

    def __init__(self, source: "KafkaSource", reader: Reader, partition: int, state: State | None) -> None:
        self._source, self._reader, self._partition = source, reader, partition
        self._watch = reader.watch
        self.name = f"{source.topic}-{partition}"
        self._read = _read.labels(source.topic)
        self._aside = Aside(
            source.unready or (lambda _: ()), source.max_aside, source.max_aside_bytes, by_key=source.aside_by_key
        )
        self._accounted, self._said_full = 0, False
        self._offer_at = 0.0
        earliest, self._end = reader.watermarks(partition)
        self._loaded_of = len(self._watch.topic.partitions) if source.whole_topic else None
        stored = from_state(source.topic, state)
        committed = reader.committed(partition) if stored is None else None
        begin = start(stored, committed, Partition(self._watch.topic.id, earliest, self._end))
        self._account_for(begin.removed, begin.aside_removed, begin.reason)
        self._aside.expect(begin.position.aside)
        # The offset of the next message that is new.
        self._next = earliest if source.whole_topic else begin.position.next
        self._reached = self._aside.done(begin.position.next)
        self._seen = self._reached if source.whole_topic else 0
        known = committed.next if committed is not None and not begin.reason else None
        self._commits = Commits(self._reached, known, time.monotonic(), source.commit_after.total_seconds())
        self._in_epoch = 0
        self._epochs = Epochs(source._pause)
        self._resting, self._rest = 0.0, _SHORTEST_REST  # seconds: now, and the next time
        self._inbox: Inbox = reader.open(partition)
        # Below `_next` while what an earlier run set aside is read again.
        self._inbox.go_to(self._aside.to_read(self._next))
        self._account()

    @override
    @log_failures
    def next_batch(self) -> list[Poll]:
        self._epochs.reading()
        self._resting = 0.0
        if self._source.stopping():
            raise StopIteration
        self._watch.check()
        epoch_is_full = self._in_epoch >= self._source.max_messages_per_epoch
        if epoch_is_full or not self._source.ready():
            return self._hold()
        if self._aside and (released := self._offer()):
            return self._send(released)
        if self._aside.full:
            self._say_full()
            return self._hold()
        again = self._inbox.position < self._next
        taken = self._inbox.take()
        messages = self._take(taken, again) if taken else []
        errors = self._inbox.take_errors()
        for error, offset in errors:
            self._act_on(error, offset)
        if (wanted := self._aside.to_read(self._next)) - self._inbox.position > _FAR:
            self._inbox.go_to(wanted)
        # When all of a poll is set aside, or was sent on by an earlier run, that is no reason to rest.
        return self._send(messages) or ([] if taken or errors else self._idle())

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(self._resting)

    @override
    @log_failures
    def snapshot(self) -> State:
        """The state; and commits the offset of the snapshot before, whose epoch is by now written everywhere."""
        self._epochs.ended()
        self._in_epoch = 0
        # A topic that is read again from its start has been read as far as before all the same.
        self._reached = max(self._reached, self._aside.done(self._next))
        self._commit()
        if self._source.whole_topic:
            position = Position(self._reached, (), self._watch.topic.id)
        else:
            position = Position(self._next, self._aside.offsets, self._watch.topic.id)
        return to_state(self._source.topic, position)

    @override
    def close(self) -> None:
        _aside.labels(self._source.topic).dec(self._accounted)
        self._inbox.close()

    def _commit(self) -> None:
        if (error := self._inbox.refused) is not None:
            self._inbox.refused = None
            self._commits.refused()
            if error.code() in _OF_A_CHANGED_TOPIC:
                self._watch.ask()
        due = self._commits.snapshot(time.monotonic(), self._reached)
        if due is not None and self._watch.changed is None:
            self._reader.commit(self._partition, due)

    def _take(self, messages: list[Message], again: bool) -> list[Message]:
        """Of what was read, or read again: what is to be sent on now."""
        if again:
            messages, gone = self._aside.pick(messages, self._next)
            self._lose(gone)
        self._next = max(self._next, self._inbox.position)
        self._read.inc(len(messages))
        return self._aside.sift(messages)

    def _offer(self) -> list[Message]:
        """What was set aside and can be decoded by now, if it is time to ask."""
        if time.monotonic() < self._offer_at:
            return []
        released = self._aside.offer(MAX_MESSAGES)
        if len(released) < MAX_MESSAGES:  # otherwise there may be more
            self._offer_at = time.monotonic() + _OFFER_SECONDS
        return released

    def _send(self, messages: list[Message]) -> list[Poll]:
        self._account()
        loaded_of = self._loaded_of if self._aside.done(self._next) >= self._end else None
        if loaded_of is not None:
            self._loaded_of = None
        elif not messages:
            return []
        self._in_epoch += len(messages)
        self._rest = _SHORTEST_REST
        return [Poll(self._source.topic, self._partition, messages, loaded_of, self._seen)]

    def _account(self) -> None:
        """Metrics and log of what is aside, after it may have changed."""
        aside = len(self._aside)
        if aside == self._accounted:
            return
        _aside.labels(self._source.topic).inc(aside - self._accounted)
        if not self._accounted:
            what = "%s: messages are set aside until they can be decoded, from offset %d on: %d by now"
            log.warning(what, self.name, self._aside.done(self._next), aside)
        elif not aside:
            log.info("%s: no message is set aside any longer", self.name)
            self._said_full = False
        self._accounted = aside

    def _say_full(self) -> None:
        if not self._said_full:
            what = "%s: reads no further until some of the messages that are set aside can be decoded: %d, %d bytes"
            log.warning(what, self.name, len(self._aside), self._aside.size)
            self._said_full = True

    def _account_for(self, removed: int, aside: int, reason: str) -> None:
        """Messages are gone that were never read or were set aside; the reason is for the log."""
        _skipped.labels(self._source.topic).inc(removed)
        self._lose(aside)
        if reason:
            log.warning("%s: %s", self.name, reason)

    def _lose(self, count: int) -> None:
        """Count messages that were set aside and are not on the topic any longer."""
        if count:
            _skipped.labels(self._source.topic).inc(count)
            log.warning("%s: %d messages that were set aside are not there any longer", self.name, count)

    def _hold(self) -> list[Poll]:
        self._inbox.hold()
        return self._idle()

    def _idle(self) -> list[Poll]:
        """Rest for twice as long as the last time: what comes after a pause of hours is seen within 50 ms."""
        if self._reader.is_behind:
            # Its messages may be the next of the queue, and hold up those behind them.
            self._resting = _SHORTEST_REST
        else:
            self._resting = self._rest
            self._rest = min(2 * self._rest, _LONGEST_REST)
        return []

    def _act_on(self, error: KafkaError, offset: int | None) -> None:
        """Go on from what consuming met.

        Raises:
            TopicChangedError: the topic is another one.
            KafkaException: an error that waiting does not mend.
        """
        if error.code() == KafkaError._PARTITION_EOF:
            self._reach_end(offset or 0)
            return
        if error.code() in _OF_A_CHANGED_TOPIC:
            self._watch.ask()
        if error.code() in _GONE:
            self._find_place(error)
        elif error.code() in _FATAL:
            raise KafkaException(error)
        else:
            self._reader.tell(error)

    def _reach_end(self, end: int) -> None:
        # It may lie beyond the last message: a transaction's marker takes an offset too.
        self._next = self._inbox.position = max(self._next, end)
        self._end = min(self._end, self._next)
        # What an earlier run has set aside, and is not there by now, is not there any longer.
        self._lose(self._aside.forget(self._next))

    def _find_place(self, error: KafkaError) -> None:
        """Go on where there are messages: those at our offset are gone."""
        earliest, end = self._reader.watermarks(self._partition)
        if self._inbox.position < earliest <= self._next:  # reading again: all else has been sent on
            self._lose(self._aside.forget(earliest))
        else:
            topic_id = self._watch.topic.id
            begin = resume(Position(self._next, (), topic_id), Partition(topic_id, earliest, end), "the next offset")
            # What is in memory when retention removes it is still sent on; on a topic made anew it has no place.
            aside = self._aside.forget(earliest) if begin.removed else self._aside.clear() if begin.reason else 0
            self._account_for(begin.removed, aside, begin.reason or error.str())
            if begin.reason:
                self._next = self._reached = begin.position.next
        self._inbox.go_to(self._aside.to_read(self._next))


class VacantPartition(StatefulSourcePartition[Poll, State]):
    """A partition that the recovery store has and the topic has not."""

    def __init__(self, source: "KafkaSource", state: State | None) -> None:
        self._source, self._state = source, state or to_state(source.topic, Position(0))
        self._epochs = Epochs(source._pause)

    @override
    def next_batch(self) -> list[Poll]:
        self._epochs.reading()
        if self._source.stopping():
            raise StopIteration
        return []

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(_LONGEST_REST)

    @override
    def snapshot(self) -> State:
        self._epochs.ended()
        return self._state
