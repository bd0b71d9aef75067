"""A Kafka topic as a Bytewax output."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bytewax.outputs import StatefulSinkPartition
from typing_extensions import override

from sinks.kafka.messages import Identity, KafkaRecord, Rejected
from sinks.kafka.producer import KafkaWriter
from sinks.kafka.spans import State
from sinks.lanes import LanedSink


@dataclass(frozen=True)
class KafkaSink(LanedSink[Iterable[KafkaRecord], State | None]):
    """Writes batches of messages to a topic. A stream item is ``(lane's key, messages)``.

    >>> import bytewax.operators as op
    >>> def to_kafka(flow, single_messages):  # a stream of (key, value)
    ...     batches = op.map("batch", single_messages, lambda message: (message[0], [(*message, None)]))
    ...     op.output("out", batches, KafkaSink("a-topic", {"bootstrap.servers": "localhost:9092"}))

    Each message is there at least once after a crash. With an ``identity`` and a recovery store it is there once, if
    each lane is given something, be it an empty batch, in each epoch (``sources.tick``), and if the flow reads nothing
    before ``has_baseline``.
    """

    topic: str
    config: dict[str, Any] = field(repr=False)
    """librdkafka's properties, over the defaults of this package; the producer is idempotent in any case."""
    rejected: Rejected | None = None
    """Where a message goes that is over the size limit of the topic; without it, the flow stops."""
    identity: Identity | None = None
    """How a message is recognised that a run before a crash has written. What else writes to the topic in the process
    must have the same ``config`` to know of it."""
    _baselines: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Of the lanes of this process: whether a snapshot has the topic's ends."""

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: State | None) -> "_Lane":
        writer = KafkaWriter(self.topic, self.config, self.rejected, self.identity)
        self._baselines[for_part] = writer.restore(resume_state)
        return _Lane(for_part, writer, self._baselines)

    def has_baseline(self) -> bool:
        """Whether what is written from now on can be recognised after a crash.

        It is for a source to ask before it reads, in ``next_batch``: Bytewax calls that only when the epochs before are
        durable, so a lane's snapshot that has been taken is durable by then.
        """
        lanes = list(self._baselines.values())
        return self.identity is None or (bool(lanes) and all(lanes))


class _Lane(StatefulSinkPartition[Iterable[KafkaRecord], State | None]):
    def __init__(self, name: str, writer: KafkaWriter, baselines: dict[str, bool]) -> None:
        self._name, self._writer, self._baselines = name, writer, baselines

    @override
    def write_batch(self, values: list[Iterable[KafkaRecord]]) -> None:
        for messages in values:
            self._writer.write(messages)

    @override
    def snapshot(self) -> State | None:
        self._writer.settle()
        state = self._writer.state()
        self._baselines[self._name] = state is not None
        return state
