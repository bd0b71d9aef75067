"""The error of a flow that cannot start."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException

from sources.kafka.topics import ClusterError


class StartupError(RuntimeError):
    """The flow cannot start; the message is one line for the operator."""


@contextmanager
def starting(properties: Iterable[str]) -> Iterator[None]:
    """Turn an error of Kafka, or of librdkafka about its ``properties``, into a StartupError."""
    try:
        yield
    except KafkaException as error:
        raise StartupError(_name_variable(error, properties)) from None
    except ClusterError as error:
        raise StartupError(str(error)) from None


def _name_variable(error: KafkaException, properties: Iterable[str]) -> str:
    """Put the variables before librdkafka's message about a property, which quotes the property's name or an alias."""
    trouble: str = error.args[0].str()
    quoted = re.findall(r'["`]([a-z.]+)["`]', trouble)
    guilty = [name for name in quoted if name in properties][:1] or sorted(properties)
    return f"{' or '.join('KAFKA_' + name.upper().replace('.', '_') for name in guilty)}: {trouble}"
