"""The error of a flow that cannot start."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from settings.kafka import name_variable
from sources.kafka.topics import ClusterError


class StartupError(RuntimeError):
    """The flow cannot start; the message is one line for the operator."""


@contextmanager
def starting(properties: Iterable[str]) -> Iterator[None]:
    """Turn an error of Kafka, or of librdkafka about its ``properties``, into a StartupError."""
    try:
        yield
    except KafkaException as error:
        raise StartupError(name_variable(error.args[0].str(), properties)) from None
    except ClusterError as error:
        raise StartupError(str(error)) from None
