"""The ports of the main job, by its settings."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from threading import Event

from dataflows import process, shape
from dataflows.alerts import step_id
from dataflows.health.watch import need, waits
from dataflows.letters import Letters
from dataflows.ports import Ports
from dataflows.rules import check_topics, load
from dataflows.wiring import elasticsearch, kafka, registry, s3
from dataflows.wiring.errors import starting
from operators.batch import KEY_GROUPS, group_index
from operators.limit import FailureLimit, TooManyFailures
from records.enriched import locate
from records.enriched_avro import SCHEMA, EnrichedAvro
from settings import Settings
from sinks.errors import Limit, Refused
from sinks.kafka import KafkaSink, KafkaWriter
from sources.kafka import Originals

log = logging.getLogger(__name__)


def ask(limit: FailureLimit, taken: int, errors: Sequence[tuple[str, str]]) -> None:
    """Tell the limit of a destination's records what became of them.

    Raises:
        Refused: too many were refused.
    """
    try:
        limit.mixed(taken, errors)
    except TooManyFailures as too_many:
        raise Refused(str(too_many)) from None


def connect(settings: Settings) -> Ports:
    """Connect the ports to Kafka, once what they need is there.

    Raises:
        StartupError: the cluster is not there, refuses us, or would delete customers.
    """
    config = {**settings.properties, "logger": logging.getLogger("librdkafka")}
    names = settings.topics
    rules = load(settings.alerts.rules, names.alerts)
    check_topics(rules, names)
    topics_of_alerts = list(dict.fromkeys(rule.topic for rule in rules))
    client = registry.connect(settings.registry)
    known = registry.schemas(client)
    with starting(settings.properties):
        kafka.prepare(settings, config, topics_of_alerts)
        kafka.hold(settings, config)
    avro = None
    if client is not None and settings.formats.enriched == "avro":
        avro = EnrichedAvro(
            registry.register(client, f"{names.enriched}-value", SCHEMA, settings.kafka.startup_timeout)
        )

    loaded = Event()
    need("table", lambda: None if loaded.is_set() else f"the customers of {names.customers} are read")
    source = partial(kafka.source, settings, config)
    sink = partial(KafkaSink, config=config, lanes=len(KEY_GROUPS), lane_of=group_index)
    letters = Letters(names.ratings, Originals(names.ratings, config).read)
    rejected = partial(kafka.rejected, letters, names.dead_letters)
    bury = partial(kafka.bury, letters, partial(KafkaWriter, names.dead_letters, config))

    def limit() -> Limit:
        own = FailureLimit(settings.dead_letters.max_share, settings.dead_letters.max_in_a_row)
        return partial(ask, own)

    held_back = timedelta(0)
    identities = None
    if process.has_recovery_store():
        identities = kafka.identities(timedelta(seconds=settings.join.grace))
    else:
        # What the join holds is then only on the topic: it must be read again by the next start.
        held_back = timedelta(seconds=settings.join.grace)
        log.warning("no recovery store (-r): after a stop, what was written since the last commit is written again")
    enriched = sink(
        names.enriched,
        rejected=partial(rejected, names.enriched, "enriched", avro.locate if avro else locate),
        identity=identities and identities.enriched,
        limit=limit(),
    )
    statistics = None
    if names.statistics is None:
        log.info("STATISTICS_TOPIC is not set: no statistics are written")
    else:
        # A value that is written again replaces itself: nothing needs to be recognised.
        statistics = sink(names.statistics)
    alerts = {
        topic: sink(
            topic,
            rejected=partial(rejected, topic, step_id(topic, names.alerts), locate),
            identity=identities and identities.alerts,
            limit=limit(),
        )
        for topic in topics_of_alerts
    }
    dead_letters = sink(names.dead_letters, identity=identities and identities.dead_letters)

    def recognised() -> bool:
        """Whether all that is written from now on can be recognised after a crash."""
        return all(output.has_baseline() for output in (enriched, *alerts.values(), dead_letters))

    ports = Ports(
        ratings=source(
            "ratings.ratings",
            names.ratings,
            share=0.75,
            ready=lambda: loaded.is_set() and recognised(),
            commit_after=held_back,
            unready=known.unready_values if known and settings.formats.ratings != "json" else None,
        ),
        customers=source(
            "ratings.customers",
            names.customers,
            share=0.25,
            ready=recognised,
            whole_topic=True,
            park_by_key=True,
            unready=known.unready if known and settings.formats.customers != "json" else None,
        ),
        enriched=enriched,
        alerts=alerts,
        dead_letters=dead_letters,
        letters=letters,
        search=elasticsearch.connect(settings.search, bury, limit(), statistics=statistics is not None),
        statistics=statistics,
        archive=s3.connect(settings.archive, bury, limit()),
        schemas=known,
        enriched_avro=avro,
        ticks=kafka.ticks(),
        stop=process.stop,
        waits=waits(),
        customers_loaded=loaded.set,
    )
    shape.tell(
        "ratings",
        settings.kafka.group_id,
        {names.ratings: "decode_ratings", names.customers: "decode_customers"},
        {
            ("statistics", "Kafka"): ports.statistics is not None,
            ("search", "Elasticsearch"): ports.search is not None,
            ("archive", "S3"): ports.archive is not None,
        },
    )
    return ports
