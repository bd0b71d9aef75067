"""Kafka: one process, broker and controller (KRaft), on free ports of 127.0.0.1."""

import base64
import socket
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from servers.java import class_path, unavailable
from servers.process import Server, free_ports

__all__ = ["Kafka", "unavailable"]

# The client compiler only and the simplest collector: half the CPU of a start.
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
TOPIC_SECONDS = 30.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
log.dirs={data}
num.partitions=4
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A member may ask for a session that ends sooner than after six seconds.
group.min.session.timeout.ms=500
# Compaction is seen within seconds.
log.cleaner.backoff.ms=500
"""

# Clients go on soon after a restart. (A broker that is starved of CPU for so long is taken for dead.)
QUICK_RESTART = "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"


class Kafka(Server):
    """A real Kafka that keeps everything in `folder`: data, settings and `kafka.log`.

    It can be stopped, killed and started again: on the same data, the same ports.

    Args:
        folder: is made when it does not exist.
        sasl_users: name to password; with it there is a second listener at `sasl_bootstrap`, for clients
            with SASL/PLAIN without TLS. The first one stays open to everybody.
        full_speed: leave the JVM as it is, for measuring; otherwise it starts quickly and runs slowly.
    """

    def __init__(self, folder: Path, *, sasl_users: Mapping[str, str] | None = None, full_speed: bool = False) -> None:
        super().__init__("Kafka", folder)
        self._port, sasl, controller = free_ports(3)
        self.bootstrap = f"127.0.0.1:{self._port}"
        self.sasl_bootstrap = f"127.0.0.1:{sasl}" if sasl_users else None
        self._full_speed = full_speed
        self._properties = PROPERTIES.format(data=self.folder / "data", controller=controller)
        if not full_speed:
            self._properties += QUICK_RESTART
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}"
        if sasl_users:
            listeners += f",SASL://{self.sasl_bootstrap}"
            users = " ".join(f'user_{name}="{password}"' for name, password in sasl_users.items())
            self._properties += (
                "listener.name.sasl.sasl.enabled.mechanisms=PLAIN\n"
                "listener.name.sasl.plain.sasl.jaas.config="
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};\n"
                # What has an access control list is only for those on it, and for clients of the first listener.
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
                "allow.everyone.if.no.acl.found=true\n"
                "super.users=User:ANONYMOUS\n"
            )
        self._properties += f"listeners={listeners}\n"

    def start(self) -> None:
        """Start the broker, on the data it finds; return when it serves every partition.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        settings = self.folder / "server.properties"
        if not settings.exists():
            self._format(settings)
        java = ["java", "-Xms256m", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        quick = () if self._full_speed else QUICK_START
        main = ["-cp", class_path("kafka"), "kafka.Kafka", str(settings)]
        self._process.start([*java, *quick, *main], self._ready)

    def admin(self) -> AdminClient:
        """A new client for the administration of this broker."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topic(self, name: str, partitions: int = 4, **config: str | int) -> None:
        """Create a topic; return when its partitions can be written and read.

        Args:
            name: must not exist yet.
            partitions: how many.
            config: the topic's settings with _ for the dots: `cleanup_policy="compact"`.

        Raises:
            KafkaException: the broker refuses.
            TimeoutError: a partition has no leader after TOPIC_SECONDS.
        """
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result()
        deadline = time.monotonic() + TOPIC_SECONDS
        while not self._serves(TopicPartition(name, partition) for partition in range(partitions)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} has no leaders after {TOPIC_SECONDS:.0f} s")
            time.sleep(0.02)

    def _format(self, settings: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = settings.with_suffix(".unfinished")
        unfinished.write_text(self._properties)
        # Kafka writes a UUID as 22 characters; one that began with "-" would read as an option.
        cluster = base64.urlsafe_b64encode(bytes([0]) + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        tool = ["java", *QUICK_START, "-cp", class_path("kafka"), "kafka.tools.StorageTool"]
        run = subprocess.run(
            [*tool, "format", "-t", cluster, "-c", unfinished, "--ignore-formatted"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{run.stdout}")
        unfinished.rename(settings)

    def _ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            metadata = self.admin().list_topics(timeout=5)
        except (OSError, KafkaException):
            return False
        return bool(metadata.brokers) and self._serves(
            TopicPartition(name, partition) for name, topic in metadata.topics.items() for partition in topic.partitions
        )

    def _serves(self, partitions: Iterable[TopicPartition]) -> bool:
        # The leader itself is asked: for some milliseconds the metadata name one that still refuses.
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "ready", "log_level": 0})
        try:
            for partition in partitions:
                consumer.get_watermark_offsets(partition, timeout=5)
        except KafkaException:
            return False
        finally:
            consumer.close()
        return True
