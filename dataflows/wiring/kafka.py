"""Kafka: the sources of the inputs, the sinks of the outputs, and what must hold of the topics before."""

import atexit
from collections.abc import Callable, Hashable, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from dataflows import process, store
from dataflows.health import watch
from dataflows.letters import Letters
from dataflows.wiring.errors import StartupError
from messages import dead_letter
from messages.dead_letter import Refused
from operators.batch import KEY_GROUPS, Batch
from operators.stop import LAST_TICKS
from records.alert import identify
from records.enriched import locate
from records.enriched_avro import EnrichedAvro
from settings import Settings
from sinks.kafka import Headers, Identity, KafkaRecord, KafkaWriter, check
from sources.kafka import KafkaSource
from sources.kafka.lease import Lease
from sources.kafka.topics import Topics
from sources.tick import TickSource


def prepare(settings: Settings, config: dict[str, Any], alerts: Sequence[str]) -> None:
    """Wait for the inputs, and make the outputs; ``alerts``: the topics of alerts.

    Raises:
        KafkaException: librdkafka refuses the configuration.
        ClusterError: the cluster is not there, or refuses us.
        StartupError: it would delete customers.
    """
    names = settings.topics
    check(config)
    topics = Topics(config, settings.kafka.startup_timeout, process.stopping)
    topics.await_all([names.ratings, names.customers])
    why = topics.may_forget(names.customers)
    if why is not None and names.customers_uncompacted == "refuse":
        raise StartupError(
            f"topic {names.customers} will lose customers ({why}): make it cleanup.policy=compact, "
            "or set CUSTOMERS_TOPIC_UNCOMPACTED=allow"
        )
    topics.create_missing([names.enriched, *alerts, names.dead_letters], like=names.ratings)
    if names.statistics is not None:
        topics.create([names.statistics], partitions=1, config={"cleanup.policy": "compact"})


def hold(settings: Settings, config: dict[str, Any]) -> None:
    """See that no other cluster has the consumer group, or end. Process 0 does so for its cluster.

    Raises:
        ClusterError: another one has it, or the brokers refuse us.
    """
    launch = process.launch()
    if launch.process == 0:
        identity = store.identity(launch.recovery_store)
        lease = Lease(settings.kafka.group_id, settings.topics.ratings, config, identity, process.stopping)
        lease.take(watch.end)
        atexit.register(lease.release)


def source(
    settings: Settings, config: dict[str, Any], step: str, topic: str, *, share: float, **options: Any
) -> KafkaSource:
    """The source of an input step, ``FLOW.STEP``, with its share of what the process may read ahead."""
    launch = process.launch()
    return KafkaSource(
        topic,
        config,
        stopping=process.stopping,
        max_bytes=int(share * settings.kafka.prefetch_bytes / launch.workers),
        epoch=launch.epoch,
        stored=store.keys(launch.recovery_store, step),
        **options,
    )


def ticks() -> TickSource[tuple[str, Batch[Any]]]:
    """An empty batch a second for each key group; the last one tells the other processes that this one stops."""
    return TickSource(
        tuple((key, Batch()) for key in KEY_GROUPS), LAST_TICKS, stopping=process.stopping, epoch=process.launch().epoch
    )


class Identities(NamedTuple):
    """How messages are recognised that are on their topics already."""

    enriched: Identity
    alerts: Identity
    dead_letters: Identity


def identities(grace: timedelta) -> Identities:
    """How the outputs' messages are recognised: by the coordinates of their source, and an alert by its rule, too.

    The timestamp is one of them: a topic that is recreated has the offsets again.
    """
    remember = 2 * grace + timedelta(minutes=10)
    avro = EnrichedAvro(0)  # it reads under any schema id

    def of_output(_key: bytes | None, value: bytes | None, _headers: Headers) -> tuple[int, int, int]:
        return locate(value) if value and value.startswith(b"{") else avro.locate(value or b"")

    def of_alert(_key: bytes | None, value: bytes | None, _headers: Headers) -> tuple[int, int, int, str]:
        return identify(value or b"")

    def of_letter(_key: bytes | None, value: bytes | None, _headers: Headers) -> Hashable:
        return dead_letter.identify(value or b"")

    return Identities(
        Identity(attrgetter("source_partition", "source_offset", "rating_ts"), of_output, remember),
        Identity(attrgetter("source_partition", "source_offset", "rating_ts", "rule"), of_alert, remember),
        Identity(lambda record: dead_letter.identify(record.value), of_letter, remember),
    )


def bury(letters: Letters, dead_letters: Callable[[], KafkaWriter], refused: Sequence[Refused]) -> None:
    """Write dead letters of what a destination refuses, and return when they are safe."""
    writer = dead_letters()
    writer.write(letters(refused))
    writer.flush()


def rejected(
    letters: Letters,
    dead_letters: str,
    topic: str,
    step: str,
    locate: Callable[[bytes], tuple[int, int, int]],
    record: KafkaRecord,
    why: str,
) -> tuple[str, KafkaRecord]:
    """What is written in place of an enriched rating or an alert that its topic refuses."""
    # The broker's report has no more than the message, so the origin is read from its value.
    (message,) = letters([Refused(*locate(record.value), step, "MessageTooLarge", why, record.value, topic)])
    return dead_letters, message
