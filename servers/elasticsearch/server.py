"""Elasticsearch: one node on free ports of 127.0.0.1, without security."""

from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from servers.elasticsearch.home import home
from servers.process import Server, free_ports

JAVA = ("java", "-Xms256m", "-Xmx1g", "-Dlog4j2.disable.jmx=true")
# The client compiler only and the simplest collector: half the CPU of a start.
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

SETTINGS = {
    "cluster.name": "tests",
    "node.name": "only",
    "network.host": "127.0.0.1",
    "discovery.type": "single-node",
    # Otherwise indices become read-only where the disk is nearly full.
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}


class Elasticsearch(Server):
    """A real Elasticsearch that keeps everything in `folder`: data and `elasticsearch.log`.

    It can be stopped, killed and started again: on the same data, the same port. What Maven Central does not have
    is not there: security, ingest processors, painless, data streams, index life cycles.

    Args:
        folder: is made when it does not exist.
        settings: the node's settings beyond the usual, such as `{"thread_pool.write.queue_size": 1}`.
        full_speed: leave the JVM as it is, for measuring; otherwise it starts quickly and runs slowly.
    """

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str | int] | None = None, full_speed: bool = False
    ) -> None:
        super().__init__("Elasticsearch", folder)
        port, transport = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self._full_speed = full_speed
        self._settings: dict[str, object] = {
            **SETTINGS,
            "path.data": self.folder / "data",
            "path.logs": self.folder / "logs",
            "http.port": port,
            "transport.port": transport,
            **(settings or {}),
        }

    def start(self) -> None:
        """Start the node, on the data it finds; return when every index of it can be written and read.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        where = home()
        java = [
            *JAVA,
            *(() if self._full_speed else QUICK_START),
            f"-Dlog4j2.configurationFile={where}/log4j2.properties",
        ]
        main = ["-cp", f"{where}/classes:{where}/lib/*", "servers.Launcher", str(where)]
        settings = [f"{name}={value}" for name, value in self._settings.items()]
        self._process.start([*java, *main, *settings], self._ready)

    def _ready(self) -> bool:
        try:
            # Yellow: every primary shard is there. While one is not, the answer after the timeout is a 408.
            with urlopen(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=5):  # noqa: S310
                return True
        except (OSError, HTTPException):
            return False
