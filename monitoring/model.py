"""A running flow as seen from outside. Times are epoch seconds, rates a second, totals since a process started."""

from dataclasses import dataclass
from typing import Literal

BranchState = Literal["off", "delivering", "held back"]


@dataclass(frozen=True)
class PartitionLag:
    """A partition of a topic beside the offset that a consumer group has committed."""

    partition: int
    begin: int
    """The earliest offset that there is."""
    end: int
    """The offset of the next message to be written."""
    committed: int | None
    """None: the group has committed none."""
    lag: int
    """Offsets from the committed one to the end, or from the earliest if none is committed."""


@dataclass(frozen=True)
class TopicLag:
    """A topic as the brokers see it."""

    topic: str
    partitions: tuple[PartitionLag, ...]
    lag: int
    """Of all partitions together."""
    last: float | None
    """Timestamp of the newest message. None: there is no message, or the brokers cannot tell (before Kafka 3.0)."""


@dataclass(frozen=True)
class Input:
    """A topic that a flow reads, over all its processes."""

    topic: str
    rate: float | None
    """Messages a second since the look before. None: this is the first look."""
    total: int
    """Messages read."""
    last: float | None
    """When messages were last read. None: not since the start."""
    failed: int
    """Messages that became dead letters because they could not be decoded."""
    parked: int
    """Messages that cannot be decoded yet."""
    unread: int | None
    """Messages on the topic that the flow has not read. None: the brokers do not tell."""
    lag: TopicLag | None
    """The topic beside the flow's consumer group, which trails what is read by a snapshot. None: the brokers do not
    tell."""


@dataclass(frozen=True)
class Output:
    """A topic that a flow writes to, over all its processes."""

    topic: str
    rate: float | None
    """Messages a second since the look before. None: this is the first look."""
    total: int
    """Messages handed to the producer."""
    last: float | None
    """When messages were last handed to it. None: not since the start."""
    failed: int
    """Messages that the topic refused as too large."""


@dataclass(frozen=True)
class Join:
    """The join of ratings with customers, over all processes."""

    matched: int
    """Ratings whose customer was known."""
    late: int
    """Ratings whose customer came while they were held."""
    unmatched: int
    """Ratings whose customer did not come in time."""
    held: int
    """Ratings that wait for their customer now."""
    rows: int
    """Customers in the table, over all processes."""


@dataclass(frozen=True)
class Branch:
    """An output of a flow to something else than Kafka."""

    name: str
    """``search``, ``archive`` or ``notices``."""
    destination: str
    """Elasticsearch, S3, or where notices are posted."""
    unit: str
    """What it delivers: documents, rows, alerts."""
    state: BranchState
    since: float | None = None
    """Since when it is held back. None: it is not."""
    why: str = ""
    """The cause in the destination's words, while it is held back."""
    rate: float | None = None
    """Records a second since the look before. None: this is the first look."""
    total: int = 0
    """Records that the destination has taken."""
    last: float | None = None
    """When it last took some. None: not since the start."""
    waiting: int = 0
    """Records, or bytes for S3, that the destination has not taken yet."""
    waiting_unit: str = ""
    """What ``waiting`` counts."""
    retries: int = 0
    failed: int = 0
    """Records that the destination refused: each is a dead letter."""

    def sentence(self, at: float) -> str:
        """The branch's state in words, at a time."""
        if self.state != "held back" or self.since is None:
            return f"{self.name}: {self.state}"
        seconds = f"{max(0.0, at - self.since):,.0f} s"
        return f"{self.name}: held back for {seconds}: {self.why}, {self.waiting:,} {self.waiting_unit} wait"


@dataclass(frozen=True)
class Flow:
    """A running flow, over all its processes that were found."""

    name: str
    """``ratings`` or ``notify``."""
    group: str
    """Its consumer group."""
    at: float
    """When it was looked at."""
    found: tuple[int, ...]
    """The numbers of the processes that were found."""
    processes: int
    """How many there should be."""
    started: float | None
    """When the youngest of them started. None: the platform does not tell."""
    snapshot: float | None
    """The oldest of the last snapshots of the processes. None: there is none yet."""
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    join: Join | None
    """None: the flow has no join."""
    branches: tuple[Branch, ...]
    troubles: tuple[str, ...]
    """What stands still, a sentence each. Empty: all moves, or is idle with nothing to do."""


@dataclass(frozen=True)
class Group:
    """A consumer group whose flow was not found."""

    name: str
    topics: tuple[TopicLag, ...]


@dataclass(frozen=True)
class Overview:
    """All that was found."""

    at: float
    flows: tuple[Flow, ...]
    groups: tuple[Group, ...]
    """The groups of the settings whose flows were not found."""
    troubles: tuple[str, ...]
    """What stands still or is missing, a sentence each, with those of the flows. Empty: all is well."""
