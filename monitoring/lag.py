"""The lag of consumer groups, as the brokers tell it."""

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from monitoring.model import PartitionLag, TopicLag

_SECONDS = 5.0
_NEVER_SECONDS = 3600.0
"""The longest that librdkafka takes."""
_POLL_SECONDS = 0.02
_NO_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})

Place = tuple[str, int]
"""Topic and partition."""


class LagError(RuntimeError):
    """The brokers do not tell; the message is one line."""


class Groups:
    """Asks the brokers of a cluster about consumer groups. It joins none, and commits nothing.

    Args:
        config: librdkafka's properties.
        seconds: for all answers to one ``lags``.

    Raises:
        KafkaException: librdkafka refuses the properties.
    """

    def __init__(self, config: Mapping[str, Any], seconds: float = _SECONDS) -> None:
        self._servers, self._seconds = config["bootstrap.servers"], seconds
        self._trouble = ""
        self._config: dict[str, Any] = {name: value for name, value in config.items() if name != "group.id"}
        self._config["error_cb"] = self._on_error
        self._admin = AdminClient(self._config)

    def lags(self, wanted: Mapping[str, Collection[str]]) -> dict[tuple[str, str], TopicLag]:
        """The lag of each group on each of its topics, by group and topic; without topics that do not exist.

        Raises:
            LagError: the brokers have not answered in time, or refuse.
        """
        deadline = time.monotonic() + self._seconds
        self._trouble = ""
        try:
            places = self._places({topic for topics in wanted.values() for topic in topics}, deadline)
            specs = OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp()
            asked = [self._offsets(places, spec) for spec in specs]
            groups = {group: self._committed(group, [p for p in places if p[0] in wanted[group]]) for group in wanted}
            begins, ends = (
                {place: answer.offset for place, answer in self._answers(one, deadline).items()} for one in asked[:2]
            )
            newest = self._newest(asked[2], deadline)
            return {
                (group, topic): _topic_lag(topic, places, begins, ends, newest, committed)
                for group, future in groups.items()
                for committed in [self._answer(future, deadline) if future else []]
                for topic in wanted[group]
                if any(place[0] == topic for place in places)
            }
        except KafkaException as error:
            self._admin = AdminClient(self._config)  # with the old one goes what it still waits for
            raise LagError(f"Kafka at {self._servers} does not tell the lag: {error.args[0].str()}") from None

    def _places(self, topics: Collection[str], deadline: float) -> list[Place]:
        """The partitions of the topics that exist. The request makes no topic."""
        if not topics:
            return []
        asked = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=self._seconds)
        places = []
        for topic, future in asked.items():
            try:
                places += [(topic, one.id) for one in self._answer(future, deadline).partitions]
            except KafkaException as error:
                if error.args[0].code() not in _NO_TOPIC:
                    raise
        return sorted(places)

    def _offsets(self, places: Iterable[Place], spec: OffsetSpec) -> "dict[Place, Future[Any]]":
        wanted = {TopicPartition(*place): spec for place in places}
        if not wanted:
            return {}
        asked = self._admin.list_offsets(wanted, request_timeout=self._seconds)
        return {(at.topic, at.partition): future for at, future in asked.items()}

    def _committed(self, group: str, places: Iterable[Place]) -> "Future[Any] | None":
        wanted = [TopicPartition(*place) for place in places]
        if not wanted:
            return None
        request = ConsumerGroupTopicPartitions(group, wanted)
        # librdkafka 2.16 aborts the process if a request to a coordinator has timed out, and the coordinator comes
        # back. So the request does not time out: it is given up together with its client.
        return self._admin.list_consumer_group_offsets([request], request_timeout=_NEVER_SECONDS)[group]

    def _newest(self, asked: "Mapping[Place, Future[Any]]", deadline: float) -> dict[Place, float]:
        """The timestamps of the newest messages in epoch seconds, where brokers tell them."""
        try:
            answers = self._answers(asked, deadline)
        except KafkaException:  # of brokers before Kafka 3.0
            return {}
        return {place: answer.timestamp / 1000 for place, answer in answers.items() if answer.timestamp > 0}

    def _answers(self, asked: "Mapping[Place, Future[Any]]", deadline: float) -> dict[Place, Any]:
        return {place: self._answer(future, deadline) for place, future in asked.items()}

    def _answer(self, future: "Future[Any]", deadline: float) -> Any:
        while not future.done():
            if time.monotonic() >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, self._trouble or "no answer"))
            self._admin.poll(_POLL_SECONDS)  # serves callbacks, such as that for a token
        return future.result()

    def _on_error(self, error: KafkaError) -> None:
        self._trouble = error.str()


def _topic_lag(
    topic: str,
    places: Iterable[Place],
    begins: Mapping[Place, int],
    ends: Mapping[Place, int],
    newest: Mapping[Place, float],
    committed: Any,
) -> TopicLag:
    offsets = {
        (at.topic, at.partition): at.offset
        for at in getattr(committed, "topic_partitions", ())
        if at.error is None and at.offset >= 0
    }
    partitions = []
    for place in (place for place in places if place[0] == topic):
        begin, end, offset = begins[place], ends[place], offsets.get(place)
        lag = max(0, end - max(begin, offset or 0))
        partitions.append(PartitionLag(place[1], begin, end, offset, lag))
    times = [newest[topic, one.partition] for one in partitions if (topic, one.partition) in newest]
    return TopicLag(topic, tuple(partitions), sum(one.lag for one in partitions), max(times, default=None))
