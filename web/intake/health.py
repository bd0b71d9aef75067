"""Whether ratings can be written: a thread asks Kafka for the topic, so that no request has to."""

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

log = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_REQUEST_SECONDS = 2.0
_REPORT_SECONDS = 10.0


class Health:
    """The state of Kafka and of the topic, as it was at most some seconds ago.

    The topic is described, never asked for as a producer does: that would make a broker create it, with the broker's
    number of partitions.
    """

    def __init__(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Begin to look; at first the state is unknown.

        Raises:
            KafkaException: librdkafka refuses the properties.
        """
        self._topic, self._servers = topic, properties["bootstrap.servers"]
        self._error: KafkaError | None = None
        self._report = 0.0
        config: dict[str, Any] = {**properties, "error_cb": self._on_error}
        self._admin = AdminClient(config)
        self.trouble: str | None = f"Kafka at {self._servers} has not answered yet"
        """Why no rating can be written; None: it can."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._closing.set()
        self._thread.join(3 * _REQUEST_SECONDS)

    def _look_on(self) -> None:
        while not self._closing.is_set():
            trouble = self._look()
            self._tell(trouble)
            self.trouble = trouble
            self._closing.wait(_EVERY_SECONDS)

    def _tell(self, trouble: str | None) -> None:
        """Log a change; that one reason follows another, not more often than every ten seconds."""
        now = time.monotonic()
        if trouble is None and self.trouble is not None:
            log.info("topic %s can be written", self._topic)
        elif trouble != self.trouble and (self.trouble is None or now >= self._report):
            log.warning("%s", trouble, extra={"event": "the topic cannot be written"})
            self._report = now + _REPORT_SECONDS

    def _look(self) -> str | None:
        described = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_REQUEST_SECONDS)
        try:
            described[self._topic].result(2 * _REQUEST_SECONDS)
        except KafkaException as error:
            return self._explain(error.args[0])
        except FutureTimeoutError:  # not the builtin one before Python 3.11
            return self._explain(KafkaError(KafkaError._TIMED_OUT))
        self._admin.poll(0)
        self._error = None
        return None

    def _explain(self, error: KafkaError) -> str:
        self._admin.poll(0)  # for the reports of errors, which would pile up otherwise
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return (
                f"topic {self._topic} does not exist at {self._servers}: create it, with the partitions that it needs"
            )
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return f"topic {self._topic} at {self._servers} may not be described by us: {error.str()}"
        return f"Kafka at {self._servers} does not answer: {(self._error or error).str()}"

    def _on_error(self, error: KafkaError) -> None:
        # That all brokers are down says less than the reason of the last of them.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._error = error
