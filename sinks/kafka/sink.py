"""A Kafka topic as a Bytewax output."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bytewax.outputs import StatefulSinkPartition
from typing_extensions import override

from ..errors import Limit, logged, no_limit
from ..lanes import LanedSink
from ..state import decode, encode
from .messages import Identity, KafkaRecord, Rejected
from .producer import KafkaWriter
from .state import LaneState


@dataclass(frozen=True)
class KafkaSink(LanedSink[Iterable[KafkaRecord], bytes | None]):
    """Writes batches of messages to a topic. A stream item is ``(lane's key, messages)``.

    >>> import bytewax.operators as op
    >>> def to_kafka(flow, single_messages):  # a stream of (key, value)
    ...     batches = op.map("batch", single_messages, lambda message: (message[0], [KafkaMessage(*message)]))
    ...     op.output("out", batches, KafkaSink("a-topic", {"bootstrap.servers": "localhost:9092"}))

    After a crash each message is there at least once. It is there exactly once if the sink has an ``identity``, the
    flow has a recovery store, each lane is given an item in each epoch, be it an empty batch (``sources.tick``), and
    the flow reads nothing before ``has_baseline``.
    """

    topic: str
    config: dict[str, Any] = field(repr=False)
    """librdkafka's properties, over the defaults of this package; the producer is idempotent in any case."""
    rejected: Rejected | None = None
    """Says where a message goes that is over the size limit of the topic; without it, such a message stops the flow."""
    identity: Identity | None = None
    """Recognises the messages that a run before a crash has written. Every writer to the topic in the process must
    have the same ``config``, or its messages are not recognised."""
    limit: Limit = no_limit
    """Told after messages that are over the size limit were written elsewhere."""
    _baselines: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    """For each lane of this process: whether a snapshot has the topic's ends."""

    @override
    @logged(__name__)
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_Lane":
        writer = KafkaWriter(self.topic, self.config, self.rejected, self.identity, self.limit)
        self._baselines[for_part] = resume_state is not None and writer.restore(decode(LaneState, resume_state))
        return _Lane(for_part, writer, self._baselines)

    def has_baseline(self) -> bool:
        """Whether all messages written from now on can be recognised after a crash.

        A source asks this in ``next_batch``, before it reads. Bytewax calls that only when the epochs before are
        durable, so a lane's snapshot that has been taken is durable by then.
        """
        lanes = list(self._baselines.values())
        return self.identity is None or (bool(lanes) and all(lanes))


class _Lane(StatefulSinkPartition[Iterable[KafkaRecord], bytes | None]):
    def __init__(self, name: str, writer: KafkaWriter, baselines: dict[str, bool]) -> None:
        self._name, self._writer, self._baselines = name, writer, baselines

    @override
    @logged(__name__)
    def write_batch(self, values: list[Iterable[KafkaRecord]]) -> None:
        for messages in values:
            self._writer.write(messages)

    @override
    @logged(__name__)
    def snapshot(self) -> bytes | None:
        self._writer.flush()
        state = self._writer.state()
        self._baselines[self._name] = state is not None
        return None if state is None else encode(state)
