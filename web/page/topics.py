"""The messages of the flow's topics into the model."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Message
from prometheus_client import Counter

from messages import dead_letter
from records import read_alert
from records.read_enriched import read
from settings import Settings
from web.page.model import Model
from web.page.reader import Reader

log = logging.getLogger(__name__)

_messages = Counter("page_messages", "Messages that the page has read", ["topic"])
_unreadable = Counter("page_unreadable_messages", "Of these, those that are not what the topic should hold", ["topic"])

_ALERTS_BACK = 10_000
_LETTERS_BACK = 1_000


class Topics:
    """Reads the enriched ratings, the alerts and the dead letters.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """

    def __init__(self, settings: Settings, properties: dict[str, Any], model: Model) -> None:
        self._model, topics = model, settings.topics
        alerts = settings.page.alerts_topics or [topics.alerts]
        self._takes: dict[str, Callable[[Sequence[Message]], None]] = {
            **dict.fromkeys(alerts, self._take_alerts),
            topics.enriched: self._take_ratings,
            topics.dead_letters: self._take_letters,
        }
        last = {
            **dict.fromkeys(alerts, _ALERTS_BACK),
            topics.enriched: settings.page.read_back,
            topics.dead_letters: _LETTERS_BACK,
        }
        self.reader = Reader(properties, last)

    async def run(self) -> None:
        """Read until ``reader.stop()``."""
        await self.reader.run(self._take)

    def _take(self, topic: str, messages: Sequence[Message]) -> None:
        _messages.labels(topic).inc(len(messages))
        self._takes[topic](messages)

    def _take_ratings(self, messages: Sequence[Message]) -> None:
        ratings = []
        for message in messages:
            try:
                ratings.append((read(message.value() or b""), message.timestamp()[1]))
            except Exception as error:  # whatever is on the topic, the next one is shown
                self._skip(message, error)
        self._model.take_ratings(ratings)

    def _take_alerts(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                alert = read_alert.decode(message)
            except Exception as error:
                self._skip(message, error)
                continue
            if alert is not None:
                self._model.take_alert(alert)

    def _take_letters(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                self._model.take_letter(dead_letter.from_message(message.value()))
            except dead_letter.NotKept as error:
                self._skip(message, error)

    def _skip(self, message: Message, error: Exception) -> None:
        self._model.unreadable += 1
        _unreadable.labels(message.topic()).inc()
        log.debug("%s, partition %s, offset %s: %s", message.topic(), message.partition(), message.offset(), error)
