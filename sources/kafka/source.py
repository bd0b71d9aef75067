"""A Kafka topic as a Bytewax input that never blocks its worker.

Against ``bytewax.connectors.kafka``: one item a poll instead of one a message (1.6 M messages/s a worker instead of
0.34 M), idle partitions cost nothing (there, 24 of them cost three quarters of the throughput), offsets are committed
to the consumer group, so that every Kafka tool shows the lag, and a stop is clean.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from prometheus_client import Counter, Gauge
from typing_extensions import override

from records.message import Message, Poll
from sources.epochs import Epochs, Pause
from sources.kafka.aside import Aside

T = TypeVar("T")

log = logging.getLogger(__package__)

_read = Counter("kafka_source_messages", "Messages read", ["topic"])
_skipped = Counter("kafka_source_skipped", "Offsets that retention had removed before they were read", ["topic"])
_errors = Counter("kafka_source_errors", "Errors that librdkafka reported and goes on from", ["topic"])
_aside = Gauge("kafka_source_aside", "Messages that are set aside until they can be decoded", ["topic"])

MAX_MESSAGES = 1_000
"""A poll's messages at most: some milliseconds of work for the flow behind it, which finds them in the processor's
caches. (With 4,000 the job with the archive branch took more time: it is the last to touch a record.)"""

_REQUEST_SECONDS = 30.0
_OFFER_SECONDS = 0.5
_FAR = 20_000
"""Reading again, so many offsets are sooner skipped than read."""
_SHORTEST_REST, _LONGEST_REST = 0.002, 0.05  # seconds

_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_COORDINATOR_MOVES = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
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

State = tuple[str, int] | tuple[str, int, tuple[int, ...]]
"""What a partition keeps in the recovery store: its topic, the offset of the next message, and, if there are any, the
offsets of those that are set aside, rising."""


@dataclass(frozen=True)
class KafkaSource(FixedPartitionedSource[Poll, State]):
    """Reads all partitions of a topic; those added later are found at the next start.

    Without state in the recovery store a partition goes on from the group's committed offset, else from the earliest.
    Offsets are committed one snapshot late: what is committed has been written by every output. Nothing below a
    committed offset is set aside (``unready``), so what is aside is read again without a recovery store, too.
    """

    topic: str
    config: dict[str, Any] = field(repr=False)
    """librdkafka's properties; ``group.id`` is needed."""
    whole_topic: bool = False
    """Begin at the earliest offset at every start, and mark the poll that reaches the end of that moment
    (``Poll.loaded_of``): for a topic that is a table."""
    ready: Callable[[], bool] = lambda: True
    """Nothing is read before this holds."""
    stopping: Callable[[], bool] = lambda: False
    """Once this holds every partition ends, and with them the flow, after a last snapshot."""
    commit_after: timedelta = timedelta(0)
    """Commit offsets only when they are so old: as long as the flow may hold a record back without a recovery store."""
    max_messages_per_epoch: int = 500_000
    """A partition reads no more between two snapshots: bounds what waits between processes, where Bytewax's queues
    have no bound."""
    unready: Callable[[list[Message]], Collection[int]] | None = None
    """Which of these messages, by index, cannot be decoded yet, for example because a schema registry is away: asked
    when they are read, and again twice a second. It must neither raise nor block for long. They are set aside, the
    others go on. None: nothing is set aside."""
    aside_by_key: bool = False
    """What has the key of a message that is aside, and comes after it, waits, too: for a topic that is a table."""
    max_aside: int = 10_000
    """A partition that has set so many messages aside reads no further (a poll may take it over that once)."""
    max_aside_bytes: int = 64 * 1024 * 1024
    """Likewise in bytes, of keys and values."""
    after_first_snapshot: bool = False
    """Read nothing in the first epoch of a partition that has no state in the recovery store: the outputs' own first
    snapshot is then durable before they are given anything."""
    _partitions: dict[str, int] = field(default_factory=dict)
    _group_offsets: dict[int, int] = field(default_factory=dict)
    """Those when the first partition of this run asked for them; negative where the group has none."""
    _pause: Pause = field(default_factory=Pause)

    @override
    def list_parts(self) -> list[str]:
        """The partitions, named so that their order as text is their order.

        Raises:
            KafkaException: the topic's metadata cannot be had.
        """
        consumer = Consumer(self.config)
        self._group_offsets.clear()
        try:
            topic = consumer.list_topics(self.topic, timeout=_REQUEST_SECONDS).topics[self.topic]
            if topic.error is not None:
                raise KafkaException(topic.error)
            self._partitions.update({f"{partition:05d}": partition for partition in topic.partitions})
        finally:
            consumer.close()
        return list(self._partitions)

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "_Partition":
        return _Partition(self, int(for_part), len(self._partitions), resume_state)


class _Partition(StatefulSourcePartition[Poll, State]):
    def __init__(self, source: KafkaSource, partition: int, partitions: int, state: State | None) -> None:
        self._source = source
        self._at = TopicPartition(source.topic, partition)
        self._consumer = Consumer(
            {
                "fetch.wait.max.ms": 100,
                # Of a table so much less, since what is read ahead counts in megabytes beside the table in memory.
                "queued.max.messages.kbytes": 8_192 if source.whole_topic else 32_768,
                # By default librdkafka rests for a second when the queue is full, and we have emptied it before.
                "fetch.queue.backoff.ms": 10,
                **source.config,
                "enable.auto.commit": False,
                # Offsets that retention has removed are for us to count, not for librdkafka to pass over.
                "auto.offset.reset": "error",
                # What an earlier run has set aside, and is not there at the end, is not there any longer.
                "enable.partition.eof": source.whole_topic or (state is not None and len(state) == 3),
                "error_cb": self._on_error,
                "on_commit": self._on_commit,
            }
        )
        self._read = _read.labels(source.topic)
        self._name = f"{source.topic}-{partition}"
        earliest, self._end = self._watermarks()
        self._loaded_of = partitions if source.whole_topic else None
        self._aside = Aside(
            source.unready or (lambda _: ()), source.max_aside, source.max_aside_bytes, by_key=source.aside_by_key
        )
        self._accounted, self._said_full = 0, False
        self._offer_at = 0.0
        resumed = self._resume(state, earliest)
        self._next = earliest if source.whole_topic else resumed  # the offset of the next message that is new
        self._reached = self._aside.done(resumed)
        self._seen = self._reached if source.whole_topic else 0
        self._position = 0  # what is read next: below `_next` while what an earlier run set aside is read again
        self._go_to(self._aside.to_read(self._next))
        self._account()
        self._snapshots: deque[tuple[float, int]] = deque()  # when, and the offset
        self._committed = self._reached
        self._in_epoch = 0
        self._waits_for_snapshot = source.after_first_snapshot and state is None
        self._epochs = Epochs(source._pause)
        self._resting, self._rest = 0.0, _SHORTEST_REST  # seconds: now, and the next time

    @override
    def next_batch(self) -> list[Poll]:
        self._epochs.reading()
        self._resting = 0.0
        if self._source.stopping():
            raise StopIteration
        epoch_is_full = self._waits_for_snapshot or self._in_epoch >= self._source.max_messages_per_epoch
        if epoch_is_full or not self._source.ready():
            return self._idle()
        if self._aside and (released := self._offer()):
            return self._send(released)
        if self._aside.full:
            self._say_full()
            return self._idle()
        polled = self._consumer.consume(MAX_MESSAGES, 0)
        errors = [error for error in [message.error() for message in polled] if error is not None]
        if errors:
            polled = [message for message in polled if message.error() is None]
        messages = self._take(cast("list[Message]", polled)) if polled else []
        for error in errors:
            self._act_on(error)
        if (wanted := self._aside.to_read(self._next)) - self._position > _FAR:
            self._go_to(wanted)
        # When all of a poll is set aside, or was sent on by an earlier run, that is no reason to rest.
        return self._send(messages) or ([] if polled else self._idle())

    @override
    def next_awake(self) -> datetime:
        return self._epochs.wake(self._resting)

    @override
    def snapshot(self) -> State:
        """The state; and commits the offset of the snapshot before, whose epoch is by now written everywhere."""
        self._epochs.ended()
        self._in_epoch = 0
        self._waits_for_snapshot = False
        now = time.monotonic()
        due = None
        while self._snapshots and self._snapshots[0][0] <= now - self._source.commit_after.total_seconds():
            due = self._snapshots.popleft()[1]
        if due is not None and due != self._committed:
            self._consumer.commit(offsets=[TopicPartition(self._at.topic, self._at.partition, due)], asynchronous=True)
            self._committed = due
        # A topic that is read again from its start has been read as far as before all the same.
        self._reached = max(self._reached, self._aside.done(self._next))
        if self._reached != (self._snapshots[-1][1] if self._snapshots else self._committed):
            self._snapshots.append((now, self._reached))
        if self._aside and not self._source.whole_topic:
            return self._source.topic, self._next, self._aside.offsets
        return self._source.topic, self._reached

    @override
    def close(self) -> None:
        _aside.labels(self._source.topic).dec(self._accounted)
        self._consumer.close()

    def _take(self, messages: list[Message]) -> list[Message]:
        """Of what was read: what is to be sent on now."""
        again = self._position < self._next
        self._position = messages[-1].offset() + 1  # type: ignore[operator]  # a message read has its offset
        if again:
            messages, gone = self._aside.pick(messages, self._next)
            self._lose(gone)
        self._next = max(self._next, self._position)
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
        return [Poll(self._source.topic, self._at.partition, messages, loaded_of, self._seen)]

    def _account(self) -> None:
        """Metrics and log of what is aside, after it may have changed."""
        aside = len(self._aside)
        if aside == self._accounted:
            return
        _aside.labels(self._source.topic).inc(aside - self._accounted)
        if not self._accounted:
            what = "%s: messages are set aside until they can be decoded, from offset %d on: %d by now"
            log.warning(what, self._name, self._aside.done(self._next), aside)
        elif not aside:
            log.info("%s: no message is set aside any longer", self._name)
            self._said_full = False
        self._accounted = aside

    def _say_full(self) -> None:
        if not self._said_full:
            what = "%s: reads no further until some of the messages that are set aside can be decoded: %d, %d bytes"
            log.warning(what, self._name, len(self._aside), self._aside.size)
            self._said_full = True

    def _lose(self, count: int) -> None:
        """Count messages that were set aside and are not on the topic any longer."""
        if count:
            _skipped.labels(self._source.topic).inc(count)
            log.warning("%s: %d messages that were set aside are not there any longer", self._name, count)

    def _go_to(self, offset: int) -> None:
        self._position = offset
        self._consumer.assign([TopicPartition(self._at.topic, self._at.partition, offset)])

    def _idle(self) -> list[Poll]:
        """Rest for twice as long as the last time: what comes after a pause of hours is seen within 50 ms."""
        self._resting = self._rest
        self._rest = min(2 * self._rest, _LONGEST_REST)
        return []

    def _resume(self, state: State | None, earliest: int) -> int:
        """The offset up to which an earlier run has read."""
        if state is not None and state[0] == self._source.topic:
            wanted, whose = state[1], "the recovery store"
            if len(state) == 3:
                self._aside.expect(state[2])
        else:
            wanted, whose = self._group_offset(), "the consumer group"
            if wanted < 0:
                return earliest
        if earliest <= wanted <= self._end:
            return wanted
        return self._begin_again(wanted, earliest, f"the offset in {whose}")

    def _begin_again(self, wanted: int, earliest: int, what: str) -> int:
        lost = max(0, earliest - wanted)
        # What is in memory when retention removes it is still sent on; on a topic made anew it has no place.
        self._lose(self._aside.forget(earliest) if lost else self._aside.clear())
        _skipped.labels(self._source.topic).inc(lost)
        why = f"{lost} messages were removed by retention" if lost else "the topic was made anew"
        log.warning("%s: %s, %d, is not there (%s): reading from %d", self._name, what, wanted, why, earliest)
        return earliest

    def _watermarks(self) -> tuple[int, int]:
        """The earliest offset and the end. The leader of a topic just made may refuse for a moment: ask again.

        Raises:
            KafkaException: there was no answer within 30 s.
        """
        return _insist(lambda: self._consumer.get_watermark_offsets(self._at, timeout=_REQUEST_SECONDS))

    def _group_offset(self) -> int:
        """The group's committed offset, negative without one. On a broker just started nobody may know it: ask again.

        Raises:
            KafkaException: the group is refused to us, or there was no answer within 30 s.
        """
        # For each consumer librdkafka looks for the coordinator anew, which may take a second: one asks for all.
        at, offsets = self._at, self._source._group_offsets
        if at.partition not in offsets:
            numbers = {at.partition, *self._source._partitions.values()}
            offsets.update(_insist(lambda: self._ask_group(sorted(numbers)), _COORDINATOR_MOVES))
        return offsets[at.partition]

    def _ask_group(self, partitions: list[int]) -> dict[int, int]:
        places = [TopicPartition(self._at.topic, partition) for partition in partitions]
        committed = self._consumer.committed(places, timeout=_REQUEST_SECONDS)
        for one in committed:
            if one.error is not None:
                raise KafkaException(one.error)
        return {one.partition: one.offset for one in committed}

    def _act_on(self, error: KafkaError) -> None:
        """Go on from what consuming met.

        Raises:
            KafkaException: an error that waiting does not mend.
        """
        if error.code() == KafkaError._PARTITION_EOF:
            # The end may lie beyond the last message: a transaction's marker takes an offset too.
            self._end = min(self._end, self._next)
            self._lose(self._aside.forget(self._next))
        elif error.code() in _GONE:
            earliest, _ = self._watermarks()
            if self._position < earliest <= self._next:  # reading again: all else has been sent on
                self._lose(self._aside.forget(earliest))
            else:
                self._next = self._reached = self._begin_again(self._next, earliest, "the next offset")
            self._go_to(self._aside.to_read(self._next))
        elif error.code() in _FATAL:
            log.error("%s: %s", self._name, error.str())
            raise KafkaException(error)
        else:
            self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        _errors.labels(self._source.topic).inc()
        log.warning("%s: %s", self._name, error.str())

    def _on_commit(self, error: KafkaError | None, _offsets: list[TopicPartition]) -> None:
        if error is not None:
            log.warning("%s: the offset was not committed: %s", self._name, error.str())


def _insist(ask: Callable[[], T], passing: Collection[int] | None = None) -> T:
    """Ask again for 30 s while the broker refuses; with the ``passing`` error codes only, if they are given.

    Raises:
        KafkaException: another refusal, or the last.
    """
    deadline = time.monotonic() + _REQUEST_SECONDS
    while True:
        try:
            return ask()
        except KafkaException as error:
            passes = passing is None or error.args[0].code() in passing
            if not passes or time.monotonic() >= deadline:
                raise
            time.sleep(0.1)
