"""A Kafka topic as a Bytewax output that loses nothing, and writes nothing twice where it is told how to see that.

Bytewax's own Kafka output lies outside the recovery barrier and ignores delivery errors. This one is a partitioned
sink: messages are handed to librdkafka as they come, and ``snapshot()`` waits until the brokers have acknowledged
them all. One that was not delivered raises there, so that its epoch is not committed and is read again.
"""

from sinks.kafka.messages import Headers, Identity, KafkaRecord, Key, Rejected
from sinks.kafka.producer import DELIVERY_SECONDS, DeliveryError, KafkaWriter, check
from sinks.kafka.sink import KafkaSink
from sinks.kafka.written import ReadBackError

__all__ = [
    "DELIVERY_SECONDS",
    "DeliveryError",
    "Headers",
    "Identity",
    "KafkaRecord",
    "KafkaSink",
    "KafkaWriter",
    "Key",
    "ReadBackError",
    "Rejected",
    "check",
]
