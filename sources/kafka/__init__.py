"""A Kafka topic as a Bytewax input that never blocks its worker.

Against ``bytewax.connectors.kafka``: one item a poll instead of one a message (1.6 M messages/s a worker instead of
0.34 M), idle partitions cost nothing (there, 24 of them cost three quarters of the throughput), offsets are committed
to the consumer group, so that every Kafka tool shows the lag, and a stop is clean.
"""

from sources.kafka.originals import Originals
from sources.kafka.reader import MAX_MESSAGES
from sources.kafka.source import KafkaSource

__all__ = ["MAX_MESSAGES", "KafkaSource", "Originals"]
