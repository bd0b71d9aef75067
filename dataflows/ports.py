"""What the main job reads from and writes to."""

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from operator import itemgetter
from threading import Event
from typing import Any

from bytewax.inputs import Source
from bytewax.outputs import Sink
from confluent_kafka import KafkaException

from dataflows import archive, runtime, schemas, search, store
from dataflows.enriched_avro import SCHEMA, EnrichedAvro
from dataflows.letters import Letters
from operators.batch import KEY_GROUPS, Batch, group_index
from operators.limit import FailureLimit
from records import dead_letter
from records.dead_letter import Refused
from records.enriched import locate
from records.message import Poll
from schemas.cache import Schemas
from settings import Settings
from sinks.elasticsearch import Document
from sinks.kafka import Headers, Identity, KafkaRecord, KafkaSink, KafkaWriter, Key, check
from sources.kafka import KafkaSource, Originals
from sources.kafka_topics import StartupError, Topics, name_variable
from sources.tick import TickSource

Messages = tuple[str, Iterable[KafkaRecord]]


@dataclass(frozen=True)
class Ports:
    """Every source and sink of the main job."""

    ratings: Source[Poll]
    customers: Source[Poll]
    enriched: Sink[Messages]
    alerts: Sink[Messages]
    dead_letters: Sink[Messages]
    letters: Letters = field(default_factory=lambda: Letters("ratings", lambda _: {}))
    """Makes dead letters of what was refused after decoding."""
    search: Sink[tuple[str, Iterable[Document]]] | None = None
    archive: Sink[Any] | None = None  # batches of enriched ratings
    """The branches that are None are off."""
    schemas: Schemas | None = None
    """Of Avro; None where all is JSON."""
    enriched_avro: EnrichedAvro | None = None
    """What encodes enriched ratings for ``enriched``; None: they are JSON."""
    ticks: Source[tuple[str, Batch[Any]]] = field(default_factory=lambda: TickSource(()))
    """Something for each key group each second, for the outputs."""
    customers_loaded: Callable[[], None] = lambda: None
    """Called once the join has all customers that there were at the start."""


def connect(settings: Settings) -> Ports:
    """Connect the ports to Kafka, once what they need is there.

    Raises:
        StartupError: the cluster is not there, refuses us, or would delete customers.
    """
    log = logging.getLogger(__name__)
    config = {**settings.properties, "logger": logging.getLogger("librdkafka")}
    names = settings.topics
    registry = schemas.connect(settings.registry)
    known = schemas.schemas(registry)
    try:
        _prepare(settings, config)
    except KafkaException as error:
        raise StartupError(name_variable(error, settings.properties)) from None
    avro = None
    if registry is not None and settings.formats.enriched == "avro":
        avro = EnrichedAvro(
            schemas.register(registry, f"{names.enriched}-value", SCHEMA, settings.kafka.startup_timeout)
        )

    loaded = Event()
    source = partial(_source, settings, config)
    sink = partial(KafkaSink, config=config, lanes=len(KEY_GROUPS), lane_of=group_index)
    letters = Letters(names.ratings, Originals(names.ratings, config).read)
    rejected = partial(_rejected, letters, names.dead_letters)
    bury = partial(_bury, letters, partial(KafkaWriter, names.dead_letters, config))

    limit = FailureLimit(settings.dead_letters.max_share, settings.dead_letters.max_in_a_row)

    held_back = timedelta(0)
    of_outputs = of_dead_letters = None
    if runtime.has_recovery_store():
        of_outputs, of_dead_letters = identities(timedelta(seconds=settings.join.grace))
    else:
        # What the join holds is then only on the topic: it must be read again by the next start.
        held_back = timedelta(seconds=settings.join.grace)
        log.warning("no recovery store (-r): after a stop, what was written since the last commit is written again")
    enriched = sink(
        names.enriched,
        rejected=partial(rejected, names.enriched, "enriched", avro.locate if avro else locate),
        identity=of_outputs,
    )
    alerts = sink(names.alerts, rejected=partial(rejected, names.alerts, "alerts", locate), identity=of_outputs)
    dead_letters = sink(names.dead_letters, identity=of_dead_letters)

    def recognised() -> bool:
        """Whether all that is written from now on can be recognised after a crash."""
        return enriched.has_baseline() and alerts.has_baseline() and dead_letters.has_baseline()

    return Ports(
        ratings=source(
            "ratings",
            names.ratings,
            share=0.75,
            ready=lambda: loaded.is_set() and recognised(),
            commit_after=held_back,
            unready=known.unready_values if known and settings.formats.ratings != "json" else None,
        ),
        customers=source(
            "customers",
            names.customers,
            share=0.25,
            ready=recognised,
            whole_topic=True,
            aside_by_key=True,
            unready=known.unready if known and settings.formats.customers != "json" else None,
        ),
        enriched=enriched,
        alerts=alerts,
        dead_letters=dead_letters,
        letters=letters,
        search=search.connect(settings.search, bury, limit),
        archive=archive.connect(settings.archive, bury),
        schemas=known,
        enriched_avro=avro,
        ticks=TickSource(tuple((key, Batch()) for key in KEY_GROUPS), stopping=runtime.stopping),
        customers_loaded=loaded.set,
    )


def _source(
    settings: Settings, config: dict[str, Any], step: str, topic: str, *, share: float, **options: Any
) -> KafkaSource:
    """The source of an input step, with its share of what the process may read ahead."""
    launch = runtime.launch()
    return KafkaSource(
        topic,
        config,
        stopping=runtime.stopping,
        max_bytes=int(share * settings.kafka.prefetch_bytes / launch.workers),
        stored=store.keys(launch.recovery_store, f"ratings.{step}"),
        **options,
    )


def identities(grace: timedelta) -> tuple[Identity, Identity]:
    """How enriched ratings and alerts, and how dead letters, are recognised that are on their topics already.

    By the coordinates of their source. The timestamp is one of them: a topic that is made anew has the offsets again.
    """
    remember = 2 * grace + timedelta(minutes=10)
    avro = EnrichedAvro(0)  # it reads under any schema id

    def of_output(_key: bytes | None, value: bytes | None, _headers: Headers) -> tuple[int, int, int]:
        return locate(value) if value and value.startswith(b"{") else avro.locate(value or b"")

    def of_letter(_key: bytes | None, value: bytes | None, _headers: Headers) -> Hashable:
        return dead_letter.identify(value or b"")

    return (
        Identity(itemgetter(3, 4, 5), of_output, remember),
        Identity(lambda record: dead_letter.identify(record[1]), of_letter, remember),
    )


def _prepare(settings: Settings, config: dict[str, Any]) -> None:
    names = settings.topics
    check(config)
    topics = Topics(config, settings.kafka.startup_timeout, runtime.stopping)
    topics.await_all([names.ratings, names.customers])
    why = topics.may_forget(names.customers)
    if why is not None and names.customers_uncompacted == "refuse":
        raise StartupError(
            f"topic {names.customers} will lose customers ({why}): make it cleanup.policy=compact, "
            "or set CUSTOMERS_TOPIC_UNCOMPACTED=allow"
        )
    topics.create_missing([names.enriched, names.alerts, names.dead_letters], like=names.ratings)


def _bury(letters: Letters, dead_letters: Callable[[], KafkaWriter], refused: Sequence[Refused]) -> None:
    """Write dead letters of what a destination refuses, and return when they are safe."""
    writer = dead_letters()
    writer.write(letters(refused))
    writer.flush()


def _rejected(
    letters: Letters,
    dead_letters: str,
    topic: str,
    step: str,
    locate: Callable[[bytes], tuple[int, int, int]],
    _key: Key,
    value: bytes,
    why: str,
) -> tuple[str, KafkaRecord]:
    """What is written in place of an enriched rating or an alert that its topic refuses."""
    (message,) = letters([Refused(*locate(value), step, "MessageTooLarge", why, value, topic)])
    return dead_letters, message
