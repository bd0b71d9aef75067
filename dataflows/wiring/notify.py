"""The ports of the notifier, by its settings."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dataflows import process, shape
from dataflows.health.watch import waits
from dataflows.letters import Letters
from dataflows.notices import Writing, check_link
from dataflows.ports import NotifyPorts
from dataflows.rules import Rule, load, topics_of
from dataflows.wiring import registry
from dataflows.wiring.errors import StartupError, starting
from dataflows.wiring.kafka import source, ticks
from messages.cache import Schemas
from messages.dead_letter import Refused
from operators.batch import KEY_GROUPS, group_index
from records.read_alert import FIELDS
from settings import Settings
from sinks.kafka import KafkaSink, KafkaWriter, check
from sinks.notices import Compose, Entry, KafkaJournal, Limits, NoticeSink, Printer, Terms, Way, Webhook
from sinks.slack.bot import SlackBot
from sinks.slack.incoming import IncomingWebhook
from sources.kafka import Originals
from sources.kafka.topics import Topics

log = logging.getLogger(__name__)

_DAY = 86400
_KEPT = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY * 1000), "retention.bytes": "-1"}
"""Of the journal. As long as by default the alerts themselves: what waited longer than that has gone with them."""


def connect(settings: Settings) -> NotifyPorts:
    """Connect the ports to Kafka, once what they need is there.

    Raises:
        StartupError: the settings do not go together, or the cluster is not there or refuses us.
    """
    rules = {rule.name: rule for rule in load(settings.alerts.rules, settings.topics.alerts)}
    topics = topics_of(settings)
    names = settings.topics
    if settings.notify.notified in {*topics, names.ratings, names.customers, names.enriched, names.dead_letters}:
        raise StartupError(f"NOTIFIED_TOPIC is {settings.notify.notified!r}: it needs a topic of its own")
    way, compose = way_out(settings, rules)
    group = f"{settings.kafka.group_id}-notify"
    config = {
        **settings.properties,
        "group.id": group,
        "logger": logging.getLogger("librdkafka"),
    }
    with starting(settings.properties):
        check(config)
        cluster = Topics(config, settings.kafka.startup_timeout, process.stopping)
        cluster.await_all(topics)
        cluster.create([names.dead_letters], 1)
        cluster.create([settings.notify.notified], 1, _KEPT)
    client = registry.connect(settings.registry)
    schemas = None if client is None else Schemas(client, FIELDS)
    shape.tell("notify", group, {topic: f"decode_{step(topic)}" for topic in topics}, {("notices", way.name): True})
    return NotifyPorts(
        alerts={
            topic: source(
                settings,
                config,
                f"notify.{step(topic)}",
                topic,
                share=1 / len(topics),
                unready=schemas.unready_values if schemas else None,
            )
            for topic in topics
        },
        rules=rules,
        schemas=schemas,
        notices=NoticeSink(
            Terms(
                Limits(settings.notify.cooldown, settings.notify.per_minute, settings.notify.max_age),
                way,
                compose,
                partial(_bury, {topic: Letters(topic, Originals(topic, config).read) for topic in topics},
                        partial(KafkaWriter, names.dead_letters, config)),
                process.stopping,
            ),
            settings.notify.notified,
            partial(KafkaJournal, settings.notify.notified, config),
        ),
        dead_letters=KafkaSink(names.dead_letters, config, lanes=len(KEY_GROUPS), lane_of=group_index),
        ticks=ticks(),
        stop=process.stop,
        waits=waits(),
    )  # fmt: skip


def way_out(settings: Settings, rules: Mapping[str, Rule]) -> tuple[Way, Compose]:
    """Where messages are posted, and how they are written.

    Raises:
        StartupError: the settings do not say one way.
    """
    slack, notify = settings.slack, settings.notify
    if notify.link is not None:
        try:
            check_link(notify.link)
        except ValueError as error:
            raise StartupError(f"NOTIFY_LINK is {notify.link!r}, but it {error}") from None
    writing = Writing(notify.link, rules)
    given = [
        name
        for name, value in (
            ("SLACK_BOT_TOKEN", slack.bot_token),
            ("SLACK_WEBHOOK_URL", slack.webhook_url),
            ("NOTIFY_WEBHOOK_URL", notify.webhook_url),
        )
        if value is not None
    ]
    if len(given) > 1:
        raise StartupError(f"{' and '.join(given)} are set, but there is one way out: run a notifier for each, with a "
                           "KAFKA_GROUP_ID and a NOTIFIED_TOPIC of its own")  # fmt: skip
    if slack.bot_token is not None:
        if slack.channel is None:
            raise StartupError("SLACK_BOT_TOKEN is set, but SLACK_CHANNEL is not")
        return SlackBot(slack.bot_token.get_secret_value(), slack.channel, slack.api_url), writing.slack
    if slack.channel is not None:
        raise StartupError("SLACK_CHANNEL is set, but SLACK_BOT_TOKEN is not: a webhook has a channel of its own")
    if slack.webhook_url is not None:
        for rule in rules.values():
            if rule.slack_channel:
                log.warning("rule %s names channel %s, but a webhook has one of its own", rule.name, rule.slack_channel)
        return IncomingWebhook(slack.webhook_url.get_secret_value()), writing.slack
    if notify.webhook_url is not None:
        return Webhook(notify.webhook_url.get_secret_value()), writing.json
    log.warning("SLACK_BOT_TOKEN, SLACK_WEBHOOK_URL and NOTIFY_WEBHOOK_URL are not set: messages are printed, not sent")
    return Printer(partial(print, flush=True)), writing.line


def step(topic: str) -> str:
    """The step that reads a topic: Bytewax has points between the parts of a step's id."""
    return f"alerts_{topic.replace('.', ':')}"


def _bury(
    letters: Mapping[str, Letters],
    dead_letters: Callable[[], KafkaWriter],
    entries: Sequence[Entry],
    error: str,
    reason: str,
) -> None:
    """Write dead letters of alerts whose message is refused, and return when they are safe."""
    writer = dead_letters()
    for topic in {entry.content["place"][0] for entry in entries}:
        places = [entry.content["place"] for entry in entries if entry.content["place"][0] == topic]
        refused = [Refused(partition, offset, time, "notices", error, reason) for _, partition, offset, time in places]
        known = letters.get(topic)
        writer.write((known or Letters(topic, lambda _: {}))(refused))
    writer.flush()
