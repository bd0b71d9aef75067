"""Kafka Connect: one worker on a free port of 127.0.0.1, with Debezium's connector for MariaDB."""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException

from servers import debezium, java
from servers.connectors import CONNECTOR_SECONDS, Endpoint, Refused
from servers.debezium import Form
from servers.kafka import Kafka
from servers.mariadb import MariaDB
from servers.process import Server, free_ports
from servers.registry import Registry

JAVA = (
    *("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
OFFSETS_SECONDS, OFFSETS_REST_SECONDS = 5.0, 0.05

WORKER = """\
bootstrap.servers={kafka}
listeners={url}
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename={folder}/offsets
offset.flush.interval.ms=200
plugin.path={folder}/plugins
plugin.discovery=service_load
"""


def unavailable() -> str | None:
    """The reason why Kafka Connect cannot run here; None where it can."""
    return java.unavailable("connect")


class Connect(Server, Endpoint):
    """A real Kafka Connect that keeps everything in `folder`: connectors, offsets and `connect.log`.

    It can be stopped, killed and started again: its connectors go on from the offsets that it
    had stored, which is five times a second.

    Args:
        folder: is made when it does not exist.
        kafka: runs; the connectors write to it.
        mariadb: runs; the connectors read from it.
        registry: runs; for connectors that write Avro.
    """

    def __init__(self, folder: Path, kafka: Kafka, mariadb: MariaDB, registry: Registry) -> None:
        Server.__init__(self, "Connect", folder)
        (port,) = free_ports(1)
        Endpoint.__init__(self, f"http://127.0.0.1:{port}")
        self._kafka = kafka
        self._mariadb = mariadb
        self._registry = registry

    def start(self) -> None:
        """Start the worker and its connectors, on the offsets it finds; return when all of them read the binary log.

        Raises:
            RuntimeError: it runs already, or it or a connector does not start; the message has the reason.
        """
        (self.folder / "plugins").mkdir(parents=True, exist_ok=True)
        settings = self.folder / "worker.properties"
        settings.write_text(WORKER.format(kafka=self._kafka.bootstrap, url=self.url, folder=self.folder))
        connectors = sorted(self.folder.glob("*.json"))
        before = self._newest_connection()
        main = ["-cp", java.class_path("connect"), "org.apache.kafka.connect.cli.ConnectStandalone", str(settings)]
        self._process.start([*JAVA, *main, *map(str, connectors)], self._ready)
        try:
            self._wait([connector.stem for connector in connectors], before)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the worker, but not while it writes its offsets.

        A standalone worker writes their file in place. Cut in the middle they are lost, Debezium takes a new snapshot,
        and rows that were deleted meanwhile are never told; a distributed worker has them on a topic.
        """
        offsets, deadline = self.folder / "offsets", time.monotonic() + OFFSETS_SECONDS
        while time.monotonic() < deadline:
            os.kill(self.pid, signal.SIGSTOP)
            status = offsets.stat() if offsets.exists() else None
            if status is None or (status.st_size and time.time() - status.st_mtime > OFFSETS_REST_SECONDS):
                break
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(OFFSETS_REST_SECONDS)
        super().kill()

    def register(
        self,
        form: Form,
        *,
        prefix: str = debezium.PREFIX,
        partitions: int = 4,
        settings: Mapping[str, str] | None = None,
        seconds: float = CONNECTOR_SECONDS,
    ) -> str:
        """Make a connector for the customers; return when the rows of the table are in its topic and it reads the log.

        Where there is one of this prefix, it goes on where it was, and writes in this form from now on.

        Args:
            form: of keys and values.
            prefix: of the topic; the connector has this name.
            partitions: of the topic, which is created, compacted, if it does not exist.
            settings: of the connector beyond the usual, such as `{"skipped.operations": "none"}`.
            seconds: that it may take at most.

        Returns:
            The topic.

        Raises:
            RuntimeError: Connect refuses the configuration, or the connector failed; the message has the reason.
        """
        topic = debezium.topic(prefix)
        try:
            self._kafka.create_topic(topic, partitions, cleanup_policy="compact")
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        config = {
            **debezium.connector(
                form,
                prefix=prefix,
                mariadb_port=self._mariadb.port,
                kafka=self._kafka.bootstrap,
                registry_url=self._registry.url,
            ),
            **(settings or {}),
        }
        file, text = self._file(prefix), json.dumps({"name": prefix, "config": config})
        unchanged = file.exists() and file.read_text() == text  # then nothing begins anew
        before = 0 if unchanged else self._newest_connection()
        self.put(prefix, config)
        file.write_text(text)
        self._wait([prefix], before, seconds)
        return topic

    def unregister(self, prefix: str = debezium.PREFIX) -> None:
        """Stop a connector for good; RuntimeError if there is none."""
        self.delete(prefix)
        self._file(prefix).unlink()

    def _newest_connection(self) -> int:
        ((number,),) = self._mariadb.execute("SELECT CONNECTION_ID()")
        return int(number)

    def _wait(self, connectors: Sequence[str], before: int, seconds: float = CONNECTOR_SECONDS) -> None:
        """Return when the connectors run and read the binary log, by connections newer than `before`.

        A task runs some time before it reads, and fails for good if MariaDB goes away in that time.
        """
        deadline = time.monotonic() + seconds
        while True:
            for connector in connectors:
                self.wait(connector, seconds)
            ((reading,),) = self._mariadb.execute(
                "SELECT count(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump' AND ID > %s", before
            )
            if reading >= len(connectors):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"of {len(connectors)} connectors {reading} read the binary log")
            time.sleep(0.1)

    def _file(self, prefix: str) -> Path:
        # The worker reads these when it starts; it forgets what it is told by its interface.
        return self.folder / f"{prefix}.json"

    def _ready(self) -> bool:
        try:
            self.connectors()
        except (OSError, HTTPException, Refused):  # it answers 404 for a while
            return False
        return True
