"""A Kafka topic as a Bytewax input that never blocks its worker."""

from sources.kafka.originals import Originals
from sources.kafka.source import MAX_MESSAGES, KafkaSource

__all__ = ["MAX_MESSAGES", "KafkaSource", "Originals"]
