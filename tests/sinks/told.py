"""Notices on the stand-in for Slack, and clerks that post there."""

from collections.abc import Callable, Sequence
from typing import Any

from servers.embedded.kafka import EmbeddedKafka
from servers.embedded.slack import CHANNEL, TOKEN, EmbeddedSlack, Posted
from servers.kafka import Kafka
from sinks.notices import Again, Entry, KafkaJournal, Limits, Notice, NoticeSink, Terms, Way
from sinks.slack.bot import SlackBot

QUICK = Limits(cooldown=0, per_minute=100_000, max_age=1e12)
"""Everybody is told at once."""


def compose(entries: Sequence[Entry], is_digest: bool) -> dict[str, Any]:
    text = " ".join(one.key for one in entries)
    return {"text": text if not is_digest else f"digest: {text}", "blocks": []}


def keys(posted: Posted) -> list[str]:
    return str(posted.body["text"]).removeprefix("digest: ").split()


def entry(key: str, about: str = "", **fields: Any) -> Entry:
    return Entry(**{"key": key, "about": about or key, "to": "", "at": 0, "rank": 1, "content": {}, **fields})


class Mortal:
    """A way out, or a journal, of a process that can be killed: after that nothing comes through."""

    def __init__(self, part: Any, is_dead: Callable[[], bool]) -> None:
        self._part, self._is_dead = part, is_dead

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._part, name)
        if callable(member) and self._is_dead():  # its name is known even then
            raise Again("the process is dead")
        return member


def sink(
    kafka: Kafka | EmbeddedKafka,
    topic: str,
    way: Way,
    reject: Callable[[Sequence[Entry], str, str], None],
    limits: Limits = QUICK,
    **terms: Any,
) -> NoticeSink:
    config = {"bootstrap.servers": kafka.bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 100}
    return NoticeSink(Terms(limits, way, compose, reject, **terms), topic, lambda: KafkaJournal(topic, config))


def bot(slack: EmbeddedSlack, channel: str = CHANNEL) -> SlackBot:
    return SlackBot(TOKEN, channel, slack.api_url)


__all__ = ["QUICK", "Mortal", "Notice", "bot", "compose", "entry", "keys", "sink"]
