"""Notices topics that change while a flow reads them: deleted, recreated, with more partitions.

librdkafka does not report new partitions, and reads a topic that was recreated from the old offset on. So one thread of
the process asks the brokers about all topics that it reads.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

log = logging.getLogger(__package__)

_INTERVAL_SECONDS = 15.0
_CONFIRM_SECONDS = 2.0
_REQUEST_SECONDS = 10.0
_POLL_SECONDS = 0.05

_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_ID})


class Topic(NamedTuple):
    """A topic as the brokers describe it."""

    id: str | None
    """None: the brokers have no ids (Kafka before 2.8)."""
    partitions: tuple[int, ...]


class TopicChangedError(RuntimeError):
    """A topic has changed since the flow started; the message is one line that names the topic."""


def change(name: str, before: Topic, now: Topic | None) -> str | None:
    """How a topic has changed since the flow started, in one line; None: it has not."""
    if now is None:
        return f"topic {name} was deleted while the flow read it: the flow ends, start it again"
    if before.id is not None and now.id is not None and before.id != now.id:
        return f"topic {name} was deleted and recreated: the flow ends, start it again to read it from its beginning"
    if len(before.partitions) != len(now.partitions):
        partitions = "partition" if len(now.partitions) == 1 else "partitions"
        counts = f"{len(now.partitions)} {partitions} now, {len(before.partitions)} when the flow started"
        return f"topic {name} has {counts}: the flow ends, start it again to read them"
    return None


def interval(config: Mapping[str, Any]) -> float:
    """Seconds between two looks at the topics: 15, or ``topic.metadata.refresh.interval.ms`` if that is shorter."""
    refresh = float(config.get("topic.metadata.refresh.interval.ms", -1)) / 1000
    return min(refresh, _INTERVAL_SECONDS) if refresh > 0 else _INTERVAL_SECONDS  # -1 is librdkafka's "never"


def describe(admin: AdminClient, topic: str) -> Topic | None:
    """The topic; None: the brokers have none of that name.

    Raises:
        KafkaException: the brokers did not answer in time, or refuse the request.
    """
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=_REQUEST_SECONDS)[topic]
    deadline = time.monotonic() + 2 * _REQUEST_SECONDS
    while not asked.done():
        if time.monotonic() >= deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no description of topic {topic}"))
        admin.poll(_POLL_SECONDS)  # serves callbacks, such as that for a token
    try:
        description = asked.result()
    except KafkaException as error:
        if error.args[0].code() in _NO_TOPIC:
            return None
        raise
    topic_id = description.topic_id
    has_id = topic_id is not None and (topic_id.get_most_significant_bits() or topic_id.get_least_significant_bits())
    return Topic(str(topic_id) if has_id else None, tuple(sorted(partition.id for partition in description.partitions)))


class Watch:
    """A topic that is read, and whether it has changed since the start."""

    def __init__(self, watcher: "Watcher", name: str, topic: Topic) -> None:
        self._watcher, self.name, self.topic = watcher, name, topic
        self.changed: str | None = None

    def check(self) -> None:
        """Raise if the topic is known to have changed.

        Raises:
            TopicChangedError: it has.
        """
        if self.changed is not None:
            raise TopicChangedError(self.changed)

    def ask(self) -> None:
        """Ask the brokers now, after an error that a changed topic may explain.

        Raises:
            TopicChangedError: the topic has changed.
        """
        self._watcher.look(self)
        self.check()

    def close(self) -> None:
        """Stop watching the topic."""
        self._watcher.remove(self)


class Watcher:
    """Watches topics of a cluster, in a thread that runs while there are topics to watch.

    A change counts once it was seen twice: a broker that has just started may know less than the others.
    """

    def __init__(self, config: Mapping[str, Any], interval: float = _INTERVAL_SECONDS) -> None:
        # The consumers report brokers that are away; the same from here would be noise.
        properties: dict[str, Any] = {**config, "error_cb": lambda _: None}
        self._admin = AdminClient(properties)
        self._interval = interval
        self._watches: list[Watch] = []
        self._lock = threading.Lock()
        self._end = threading.Event()

    def describe(self, topic: str) -> Topic | None:
        """The topic; see the function ``describe``."""
        return describe(self._admin, topic)

    def watch(self, name: str, topic: Topic) -> Watch:
        """Watch a topic; ``topic`` is its description at the start of the flow."""
        watch = Watch(self, name, topic)
        with self._lock:
            self._watches.append(watch)
            if len(self._watches) == 1:
                self._end = threading.Event()
                threading.Thread(target=self._run, args=(self._end,), name="topics", daemon=True).start()
        return watch

    def remove(self, watch: Watch) -> None:
        """Stop watching."""
        with self._lock:
            self._watches.remove(watch)
            if not self._watches:
                self._end.set()

    def look(self, watch: Watch) -> None:
        """Ask the brokers whether the topic has changed. No answer is no change."""
        try:
            line = change(watch.name, watch.topic, self.describe(watch.name))
            if line is not None and watch.changed is None:
                time.sleep(_CONFIRM_SECONDS)
                if change(watch.name, watch.topic, self.describe(watch.name)) == line:
                    watch.changed = line
        except KafkaException as error:
            log.debug("topic %s cannot be described: %s", watch.name, error)

    def _run(self, end: threading.Event) -> None:
        while not end.wait(self._interval):
            with self._lock:
                watches = list(self._watches)
            for watch in watches:
                self.look(watch)


_watchers: dict[str, Watcher] = {}
_watchers_lock = threading.Lock()


def watcher(config: Mapping[str, Any]) -> Watcher:
    """The process's watcher of the cluster with these ``bootstrap.servers``."""
    with _watchers_lock:
        servers = config["bootstrap.servers"]
        if servers not in _watchers:
            _watchers[servers] = Watcher(config, interval(config))
        return _watchers[servers]
