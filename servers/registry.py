"""A schema registry: one Apicurio on a free port of 127.0.0.1, which speaks Confluent's protocol, too."""

from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from servers import java
from servers.process import Server, free_ports

JAVA = ("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CONFLUENT, NATIVE = "/apis/ccompat/v7", "/apis/registry/v2"


def unavailable() -> str | None:
    """The reason why a real registry cannot run here; None where it can."""
    return java.unavailable("registry")


def native(url: str) -> str:
    """Where the registry whose Confluent interface is at `url` has the one that Apicurio's converters use."""
    return url.removesuffix(CONFLUENT) + NATIVE


class Registry(Server):
    """A real schema registry that keeps everything in `folder`: schemas and `registry.log`.

    It can be stopped, killed and started again: on the same data, the same port, with the same ids. Its `url` is that
    of Confluent's interface: `SchemaRegistryClient({"url": registry.url})`.

    Args:
        folder: is made when it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("Registry", folder)
        (self._port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}{CONFLUENT}"

    def start(self) -> None:
        """Start the registry, on the data it finds; return when it answers.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (jar,) = java.distribution("registry").glob("*-runner.jar")
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self._port),
            "LOG_LEVEL": "WARN",
            # Otherwise a schema is on disk half a second after it is acknowledged.
            "REGISTRY_DATASOURCE_URL": f"jdbc:h2:file:{self.folder / 'data'};WRITE_DELAY=0",
        }
        defined = [f"-D{name}={value}" for name, value in settings.items()]
        self._process.start([*JAVA, *defined, "-jar", str(jar)], self._ready)

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/subjects", timeout=5):  # noqa: S310
                return True
        except (OSError, HTTPException):
            return False
