"""A Kafka topic as a Bytewax output that loses nothing, and that writes nothing twice where it is given an identity.

Bytewax's own Kafka output lies outside the recovery barrier and ignores delivery errors. This one hands messages to
librdkafka as they come; ``snapshot()`` waits until the brokers have acknowledged all of them. A message that was not
delivered raises there, so its epoch is not committed and is read again.
"""

from .messages import Headers, Identity, KafkaMessage, KafkaRecord, Key, Rejected
from .producer import DELIVERY_SECONDS, DeliveryError, KafkaWriter, check
from .sink import KafkaSink
from .written import ReadBackError

__all__ = [
    "DELIVERY_SECONDS",
    "DeliveryError",
    "Headers",
    "Identity",
    "KafkaMessage",
    "KafkaRecord",
    "KafkaSink",
    "KafkaWriter",
    "Key",
    "ReadBackError",
    "Rejected",
    "check",
]
