"""The topics that a run writes to."""

from dataclasses import dataclass

from benchmarks.harness.backlog import PARTITIONS
from servers.kafka import Kafka


@dataclass(frozen=True)
class Outputs:
    """Topics of one run; their messages carry the time at which the broker appended them."""

    enriched: str
    alerts: str
    dead_letters: str

    @classmethod
    def create(cls, kafka: Kafka, run: str) -> "Outputs":
        """Create the topics of `run`, a name nobody had before."""
        outputs = cls(f"enriched-{run}", f"alerts-{run}", f"dead-letters-{run}")
        for topic in outputs.all():
            kafka.create_topic(topic, PARTITIONS, message_timestamp_type="LogAppendTime")
        return outputs

    def all(self) -> list[str]:
        """The names of the topics."""
        return [self.enriched, self.alerts, self.dead_letters]

    def delete(self, kafka: Kafka) -> None:
        """Delete the topics and what they hold."""
        admin = kafka.admin()  # held: without its client, a result never comes
        for deleted in admin.delete_topics(self.all()).values():
            deleted.result()
