"""What the main job and the notifier read from and write to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bytewax.inputs import Source
from bytewax.outputs import Sink

from dataflows.letters import Letters
from dataflows.notices import Rule
from messages.cache import Schemas
from messages.message import Poll
from operators.batch import Batch
from operators.wait import Waits
from records.enriched_avro import EnrichedAvro
from sinks.elasticsearch import Document
from sinks.kafka import KafkaRecord
from sinks.notices import Entry
from sources.tick import TickSource

Messages = tuple[str, Iterable[KafkaRecord]]


@dataclass(frozen=True)
class Ports:
    """Every source and sink of the main job."""

    ratings: Source[Poll]
    customers: Source[Poll]
    enriched: Sink[Messages]
    alerts: Mapping[str, Sink[Messages]]
    """By topic, all that rules name."""
    dead_letters: Sink[Messages]
    letters: Letters = field(default_factory=lambda: Letters("ratings", lambda _: {}))
    """Makes dead letters of what was refused after decoding."""
    search: Sink[tuple[str, Iterable[Document]]] | None = None
    archive: Sink[Any] | None = None  # batches of enriched ratings
    statistics: Sink[Messages] | None = None
    """The branches that are None are off."""
    schemas: Schemas | None = None
    """Of Avro; None where all is JSON."""
    enriched_avro: EnrichedAvro | None = None
    """What encodes enriched ratings for ``enriched``; None: they are JSON."""
    ticks: Source[tuple[str, Batch[Any]]] = field(default_factory=lambda: TickSource(()))
    """Something for each key group each second, for the outputs."""
    customers_loaded: Callable[[], None] = lambda: None
    """Called once the join has all customers that there were at the start."""
    stop: Callable[[], None] = lambda: None
    """Called in every process once one of them stops."""
    waits: Waits = field(default_factory=Waits)


@dataclass(frozen=True)
class NotifyPorts:
    """Every source and sink of the notifier."""

    alerts: Mapping[str, Source[Poll]]
    """By topic."""
    notices: Sink[tuple[str, Iterable[Entry]]]
    dead_letters: Sink[Messages]
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """By name."""
    schemas: Schemas | None = None
    """Of Avro; None where all is JSON."""
    ticks: Source[tuple[str, Batch[Any]]] = field(default_factory=lambda: TickSource(()))
    stop: Callable[[], None] = lambda: None
    """Called in every process once one of them stops."""
    waits: Waits = field(default_factory=Waits)
