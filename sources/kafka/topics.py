"""Checks a Kafka cluster and its topics before a flow starts."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

log = logging.getLogger(__name__)

_REQUEST_SECONDS = 10.0
_REPORT_SECONDS = 10.0
_REST_SECONDS = 0.5
_REFUSED = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL})
_PASSING = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.INVALID_REPLICATION_FACTOR,  # the brokers that are there now are too few
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.REQUEST_TIMED_OUT,
    }
)
"""What the cluster answers while a broker restarts."""


class ClusterError(RuntimeError):
    """The flow cannot start; the message is one line that tells why."""


class Topics:
    """The topics of a cluster before a flow starts.

    Each request is made again for ``deadline`` seconds while no broker can answer it.

    Raises:
        KafkaException: librdkafka refuses the configuration.
        ClusterError: the brokers do not answer within ``deadline`` seconds, or refuse the credentials.
    """

    def __init__(
        self, config: Mapping[str, Any], deadline: float, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self._trouble: KafkaError | None = None
        self._servers = config["bootstrap.servers"]
        self._stopping = stopping
        properties: dict[str, Any] = {**config, "error_cb": self._on_error}
        self._admin = AdminClient(properties)
        self._partitions: dict[str, int] = {}
        self._deadline = deadline
        self._reach()

    def await_all(self, topics: Iterable[str]) -> None:
        """Wait without limit until the topics exist; log every ten seconds which do not."""
        said = _Rarely()
        while missing := [topic for topic in topics if topic not in self._partitions]:
            said.info("waiting for topic %s, which does not exist yet", " and ".join(missing))
            self._sleep()
            self._look()

    def create_missing(self, topics: Iterable[str], like: str) -> None:
        """Create the topics that do not exist, with the number of partitions of ``like`` and the brokers' defaults.

        Raises:
            ClusterError: the cluster refuses to.
        """
        self.create(topics, self._partitions.get(like, 1))

    def create(self, topics: Iterable[str], partitions: int, config: Mapping[str, str] | None = None) -> None:
        """Create the topics that do not exist, with ``config`` over the brokers' defaults.

        Raises:
            ClusterError: the cluster refuses to.
        """
        for topic in topics:
            if topic in self._partitions:
                continue
            wanted = NewTopic(topic, partitions, -1, config=dict(config or {}))
            error = self._ask(partial(self._admin.create_topics, [wanted], operation_timeout=_REQUEST_SECONDS))[1]
            if error is None:
                log.info("created topic %s with %d partitions", topic, partitions)
            elif error.code() == KafkaError._UNSUPPORTED_FEATURE:
                log.info("topic %s does not exist and cannot be created here: left to the first write", topic)
            elif error.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise ClusterError(f"topic {topic} does not exist and cannot be created: {error.str()}")

    def may_forget(self, topic: str) -> str | None:
        """Why the topic may have lost the last message of some keys; None: it keeps the last message of each.

        A topic keeps them if only compaction cleans it, or if its retention is unlimited. If the brokers do not tell,
        or the job may not ask, the answer is None, and the log says so.
        """
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        entries, error = self._ask(partial(self._admin.describe_configs, [resource], request_timeout=_REQUEST_SECONDS))
        if error is not None:
            level = logging.INFO if error.code() == KafkaError._UNSUPPORTED_FEATURE else logging.WARNING
            log.log(level, "cannot tell whether topic %s is compacted: %s", topic, error.str())
            return None
        config = {name: entry.value for name, entry in entries.items()}
        if "delete" not in config["cleanup.policy"]:
            return None
        limits = [f"{name}={config[name]}" for name in ("retention.ms", "retention.bytes") if config[name] != "-1"]
        return f"cleanup.policy={config['cleanup.policy']} and {' and '.join(limits)}" if limits else None

    def _reach(self) -> None:
        until, said = time.monotonic() + self._deadline, _Rarely(2)
        while not self._look():
            trouble = self._trouble
            why = trouble.str() if trouble else "no answer"
            if trouble and trouble.code() in _REFUSED:
                raise ClusterError(f"Kafka at {self._servers} refuses us: {why}")
            if time.monotonic() >= until:
                raise ClusterError(f"Kafka at {self._servers} is not there after {self._deadline:.0f} s: {why}")
            said.info("waiting for Kafka at %s: %s", self._servers, why)
            self._sleep()

    def _ask(self, request: "Callable[[], dict[Any, Future[Any]]]") -> tuple[Any, KafkaError | None]:
        """The result of a request about one resource, or the error that refuses it."""
        until, said = time.monotonic() + self._deadline, _Rarely(2)
        while True:
            (future,) = request().values()
            result, error = _result(future)
            if error is None or error.code() not in _PASSING or time.monotonic() >= until:
                return result, error
            said.info("waiting for Kafka at %s: %s", self._servers, error.str())
            self._sleep()

    def _look(self) -> bool:
        try:
            cluster = self._admin.list_topics(timeout=1)
        except KafkaException as error:
            # The error that `error_cb` reported says more than this one: that no broker answered in time.
            self._trouble = self._trouble or error.args[0]
            return False
        topics = cluster.topics.items()
        self._partitions = {name: len(topic.partitions) for name, topic in topics if topic.error is None}
        return bool(cluster.brokers)

    def _sleep(self) -> None:
        if self._stopping():
            raise SystemExit(0)
        self._admin.poll(_REST_SECONDS)
        time.sleep(_REST_SECONDS / 5)

    def _on_error(self, error: KafkaError) -> None:
        if self._trouble is None or self._trouble.code() not in _REFUSED:
            self._trouble = error


class _Rarely:
    """Logs one line each ten seconds, the first after ``seconds``."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._next = time.monotonic() + seconds

    def info(self, line: str, *of: object) -> None:
        if time.monotonic() >= self._next:
            log.info(line, *of)
            self._next = time.monotonic() + _REPORT_SECONDS


def _result(future: "Future[Any]") -> tuple[Any, KafkaError | None]:
    try:
        return future.result(timeout=_REQUEST_SECONDS * 1.5), None
    except KafkaException as error:
        return None, error.args[0]
    except FutureTimeoutError:  # not the builtin one before Python 3.11
        return None, KafkaError(KafkaError._TIMED_OUT)
