"""A partition as Bytewax reads it: the messages that it emits and parks, its state, and the offsets that it commits."""

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
from sources.kafka.parked import Parked
from sources.kafka.position import Commits, Partition, Position, resume, start
from sources.kafka.reader import MAX_MESSAGES, Inbox, Reader
from sources.kafka.state import PartitionState, pack

if TYPE_CHECKING:
    from sources.kafka.source import KafkaSource

log = logging.getLogger(__package__)

_read = Counter(
    "kafka_source_messages",
    "Messages read; a parked message counts again when it is read again after a restart",
    ["topic"],
)
_skipped = Counter("kafka_source_skipped", "Offsets removed from the topic before the job processed them", ["topic"])
_last = Gauge(
    "kafka_source_last_message_timestamp_seconds",
    "Time at which messages were last read, in epoch seconds; 0: not yet",
    ["topic"],
)
_next = Gauge("kafka_source_next_offset", "Offset of the next message to read", ["topic", "partition"])
_lag = Gauge(
    "kafka_source_lag", "Messages of the partition that were not read yet at the last snapshot", ["topic", "partition"]
)
_parked = Gauge("kafka_source_aside", "Messages parked until they can be decoded", ["topic"])

_RELEASE_SECONDS = 0.5
_FAR = 20_000
"""While re-reading parked messages, seek over gaps larger than this many offsets."""
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


class KafkaPartition(StatefulSourcePartition[Poll, bytes]):
    """A partition of a ``KafkaSource``; ``stored`` is its position in the recovery store.

    Raises:
        KafkaException: the brokers do not tell the offsets.
    """

    def __init__(
        self, source: "KafkaSource", reader: Reader, epochs: Epochs, partition: int, stored: Position | None
    ) -> None:
        self._source, self._reader, self._epochs, self._partition = source, reader, epochs, partition
        self._watch = reader.watch
        self.name = f"{source.topic}-{partition}"
        self._read, self._last = _read.labels(source.topic), _last.labels(source.topic)
        self._next_shown, self._shown = _next.labels(source.topic, partition), -1
        self._lag, self._skipped = _lag.labels(source.topic, partition), _skipped.labels(source.topic)
        self._parked = Parked(
            source.unready or (lambda _: ()), source.max_parked, source.max_parked_bytes, by_key=source.park_by_key
        )
        self._accounted, self._said_full = 0, False
        self._release_at = 0.0
        earliest, self._end = reader.watermarks(partition)
        self._loaded_of = len(self._watch.topic.partitions) if source.whole_topic else None
        committed = reader.committed(partition) if stored is None else None
        begin = start(stored, committed, Partition(self._watch.topic.id, earliest, self._end))
        self._account_for(begin.removed, begin.parked_removed, begin.reason)
        self._parked.expect(begin.position.parked)
        # The offset of the next message that is new.
        self._next = earliest if source.whole_topic else begin.position.next
        self._reached = self._parked.done(begin.position.next)
        self._seen = self._reached if source.whole_topic else 0
        known = committed.next if committed is not None and not begin.reason else None
        self._commits = Commits(self._reached, known, time.monotonic(), source.commit_after.total_seconds())
        self._in_epoch = 0
        self._resting, self._rest = 0.0, _SHORTEST_REST  # seconds: now, and the next time
        self._inbox: Inbox = reader.open(partition)
        # Below `_next` while messages that an earlier run parked are read again.
        self._inbox.go_to(self._parked.to_read(self._next))
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
        if self._parked and (released := self._release()):
            return self._send(released)
        if self._parked.full:
            self._say_full()
            return self._hold()
        again = self._inbox.position < self._next
        taken = self._inbox.take()
        messages = self._take(taken, again) if taken else []
        errors = self._inbox.take_errors()
        for error, offset in errors:
            self._act_on(error, offset)
        if (wanted := self._parked.to_read(self._next)) - self._inbox.position > _FAR:
            self._inbox.go_to(wanted)
        # A poll of which all is parked, or was emitted by an earlier run, is no reason to rest.
        return self._send(messages) or ([] if taken or errors else self._idle())

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(self._resting)

    @override
    @log_failures
    def snapshot(self) -> bytes:
        """Return the state, and commit the offset of the last snapshot: by now the outputs have written its epoch."""
        self._epochs.ended()
        self._in_epoch = 0
        self._lag.set(max(0, self._reader.known_end(self._partition) - self._next))
        # A whole topic is read again from its start, and the group's offset must not go back.
        self._reached = max(self._reached, self._parked.done(self._next))
        self._commit()
        topic_id = self._watch.topic.id
        if self._source.whole_topic:
            position = Position(self._reached, (), topic_id)
        else:
            position = Position(self._next, self._parked.offsets, topic_id)
        return pack(PartitionState(self._source.topic, position))

    @override
    def close(self) -> None:
        _parked.labels(self._source.topic).dec(self._accounted)
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
        """The messages to emit now, of those that were read, or read again."""
        if again:
            messages, gone = self._parked.pick(messages, self._next)
            self._lose(gone)
        self._next = max(self._next, self._inbox.position)
        self._read.inc(len(messages))
        self._last.set_to_current_time()
        return self._parked.sift(messages)

    def _release(self) -> list[Message]:
        """The parked messages that can be decoded by now; it asks twice a second."""
        if time.monotonic() < self._release_at:
            return []
        released = self._parked.release(MAX_MESSAGES)
        if len(released) < MAX_MESSAGES:  # otherwise there may be more
            self._release_at = time.monotonic() + _RELEASE_SECONDS
        return released

    def _send(self, messages: list[Message]) -> list[Poll]:
        self._account()
        loaded_of = self._loaded_of if self._parked.done(self._next) >= self._end else None
        if loaded_of is not None:
            self._loaded_of = None
        elif not messages:
            return []
        self._in_epoch += len(messages)
        self._rest = _SHORTEST_REST
        return [Poll(self._source.topic, self._partition, messages, loaded_of, self._seen)]

    def _account(self) -> None:
        """Update metrics and log after the next offset or the number of parked messages may have changed."""
        if self._next != self._shown:
            self._shown = self._next
            self._next_shown.set(self._next)
        parked = len(self._parked)
        if parked == self._accounted:
            return
        _parked.labels(self._source.topic).inc(parked - self._accounted)
        if not self._accounted:
            what = "%s: messages are parked until they can be decoded, from offset %d on: %d by now"
            log.warning(what, self.name, self._parked.done(self._next), parked)
        elif not parked:
            log.info("%s: no message is parked any longer", self.name)
            self._said_full = False
        self._accounted = parked

    def _say_full(self) -> None:
        if not self._said_full:
            what = "%s: reads no further until some of the parked messages can be decoded: %d, %d bytes"
            log.warning(what, self.name, len(self._parked), self._parked.size)
            self._said_full = True

    def _account_for(self, removed: int, parked: int, reason: str) -> None:
        """Count messages that are gone and were never read, or were parked; log the reason."""
        self._skipped.inc(removed)
        self._lose(parked)
        if reason:
            log.warning("%s: %s", self.name, reason, extra={"event": "messages are gone"})

    def _lose(self, count: int) -> None:
        """Count parked messages that are no longer on the topic."""
        if count:
            self._skipped.inc(count)
            log.warning("%s: %d parked messages are no longer on the topic", self.name, count)

    def _hold(self) -> list[Poll]:
        self._inbox.hold()
        return self._idle()

    def _idle(self) -> list[Poll]:
        """Rest twice as long as the last time, 50 ms at most: a message that ends a long pause is read within that."""
        if self._reader.is_behind:
            # Its messages may be the next of the queue, and hold up those behind them.
            self._resting = _SHORTEST_REST
        else:
            self._resting = self._rest
            self._rest = min(2 * self._rest, _LONGEST_REST)
        return []

    def _act_on(self, error: KafkaError, offset: int | None) -> None:
        """Act on an error of the consumer.

        Raises:
            TopicChangedError: the topic is another one.
            KafkaException: the error does not pass by waiting.
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
        # The end may lie beyond the last message: a transaction's marker takes an offset, too.
        self._next = self._inbox.position = max(self._next, end)
        self._end = min(self._end, self._next)
        # Messages that an earlier run parked, and that were not read by now, are no longer on the topic.
        self._lose(self._parked.forget(self._next))

    def _find_place(self, error: KafkaError) -> None:
        """Seek to an offset that exists: the messages at the next one are gone."""
        earliest, end = self._reader.watermarks(self._partition)
        if self._inbox.position < earliest <= self._next:  # reading again: all other messages were emitted
            self._lose(self._parked.forget(earliest))
        else:
            topic_id = self._watch.topic.id
            begin = resume(Position(self._next, (), topic_id), Partition(topic_id, earliest, end), "the next offset")
            # A parked message in memory is emitted even if retention removes it; on a topic recreated it has no place.
            lost = self._parked.forget(earliest) if begin.removed else self._parked.clear() if begin.reason else 0
            self._account_for(begin.removed, lost, begin.reason or error.str())
            if begin.reason:
                self._next = self._reached = begin.position.next
        self._inbox.go_to(self._parked.to_read(self._next))


class VacantPartition(StatefulSourcePartition[Poll, bytes]):
    """A partition that the recovery store has and the topic has not."""

    def __init__(self, source: "KafkaSource", epochs: Epochs, state: bytes) -> None:
        self._source, self._epochs, self._state = source, epochs, state

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
    def snapshot(self) -> bytes:
        self._epochs.ended()
        return self._state
