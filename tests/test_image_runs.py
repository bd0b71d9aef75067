"""The processes of the image, run from its files as its user, with a read-only file system and without a home."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.process import free_ports
from servers.topics import write
from tests.container import need_isolation
from tests.dataflows.test_start import inputs, read
from tests.dataflows.world import settings
from tests.image import Image

NOWHERE = {
    "ELASTICSEARCH_URL": "http://127.0.0.1:9",
    "S3_BUCKET": "ratings",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
"""All branches on, and their servers away."""


@pytest.mark.parametrize(
    ("status", "code", "line"), [(200, 0, ""), (503, 1, "{url} answers 503\n"), (0, 1, "{url} does not answer: ")]
)
def test_its_health_check(image: Image, status: int, code: int, line: str) -> None:
    (port,) = free_ports(1)
    variables = {"HEALTH_PORT": str(port), "http_proxy": "http://127.0.0.1:9"}
    with answering(port, status):
        result, written = image.run(["sh", "-c", image.health_check], variables)
    assert result == code
    assert written.startswith(line.format(url=f"http://127.0.0.1:{port}/livez"))
    assert written.count("\n") == code


@contextmanager
def answering(port: int, status: int) -> Iterator[None]:
    """A server whose every answer has a status; none at all for 0."""
    if not status:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_sigterm_ends_it_while_it_starts(image: Image) -> None:
    need_isolation()
    with image.start([*image.entrypoint, *image.command], {}, subprocess.DEVNULL) as container:
        container.wait_for_child("python")
        container.terminate()
        # Python has not set its handlers yet, or has.
        assert container.wait(10) in {0, 128 + 15}


@contextmanager
def running(
    image: Image, folder: Path, command: list[str], variables: dict[str, str], *writable: Path
) -> Iterator[Path]:
    """The log of a container. It must run until the end of the context, and exit with 0 at SIGTERM."""
    log = folder / "log"
    with (
        log.open("w") as output,
        image.start(command, variables, output.fileno(), writable=writable) as container,
    ):
        yield log
        assert container.running(), log.read_text()
        container.terminate()
        assert container.wait(60) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


Value = TypeVar("Value")


def wait_for(ask: Callable[[], Value | None], log: Path, seconds: float = 60) -> Value:
    """Ask until there is an answer that is not false."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return answer


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes] | None:
    """Status and body of an answer; None if nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionError:
        return None
    finally:
        connection.close()


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}], ids=str)
def test_it_enriches_a_rating(
    kafka: Kafka, names: dict[str, str], image: Image, folder: Path, home: dict[str, str]
) -> None:
    need_isolation()
    inputs(kafka, names)
    write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
    write(kafka.bootstrap, names["ratings"], [("1", b'{"rating_id":1,"user_id":1}')])
    recovery = folder / "recovery"
    recovery.mkdir()
    recovery.chmod(0o777)
    make = ["python", "-m", "bytewax.recovery", str(recovery), "1"]
    code, written = image.run(make, home, writable=[recovery])
    assert code == 0, written
    (port,) = free_ports(1)
    variables = {
        **settings(names, kafka.bootstrap),
        **NOWHERE,
        **home,
        "BYTEWAX_RECOVERY_DIRECTORY": str(recovery),
        "BYTEWAX_SNAPSHOT_INTERVAL": "1",
        "BYTEWAX_RECOVERY_BACKUP_INTERVAL": "0",
        "BYTEWAX_DATAFLOW_API_ENABLED": "1",
        "BYTEWAX_DATAFLOW_API_PORT": str(port),
    }
    try:
        with running(image, folder, [*image.entrypoint, *image.command], variables, recovery) as log:
            enriched = read(kafka.bootstrap, names["enriched"], 1)
            assert [record["full_name"] for record in enriched] == ["Astley"], log.read_text()
            _, metrics = wait_for(lambda: ask(port, "GET", "/metrics"), log)
            assert b"join_records_total" in metrics
    finally:
        forget(image)


@pytest.fixture
def cluster() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as cluster:
        yield cluster


def test_it_tells_of_an_alert(cluster: EmbeddedKafka, image: Image, folder: Path) -> None:
    cluster.create_topic("alerts", 1)
    write(cluster.bootstrap, "alerts", [("1", b'{"rating_id":1,"stars":1,"full_name":"Ricarda Astley"}')])
    variables = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "NOTIFY_TOPICS": "alerts"}
    with running(image, folder, ["python", "-m", "bytewax.run", "dataflows.notify"], variables) as log:
        wait_for(lambda: "Ricarda Astley" in log.read_text(), log)


def test_it_takes_a_rating_over_http(cluster: EmbeddedKafka, image: Image, folder: Path) -> None:
    (port,) = free_ports(1)
    cluster.create_topic("ratings", 1)
    variables = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "INTAKE_PORT": str(port)}
    with running(image, folder, ["python", "-m", "web.intake"], variables) as log:
        wait_for(lambda: (ask(port, "GET", "/healthz") or (0,))[0] == 200, log)
        status, body = wait_for(lambda: ask(port, "POST", "/ratings", '{"rating_id":1,"user_id":7,"stars":2}'), log)
        assert (status, [record["user_id"] for record in read(cluster.bootstrap, "ratings", 1)]) == (202, [7]), body


def test_it_serves_the_page(cluster: EmbeddedKafka, image: Image, folder: Path) -> None:
    (port,) = free_ports(1)
    variables = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "PAGE_PORT": str(port)}
    with running(image, folder, ["python", "-m", "web"], variables) as log:
        status, page = wait_for(lambda: ask(port, "GET", "/"), log)
        assert status == 200
        assert b"Flight ratings, live" in page


def forget(image: Image) -> None:
    """Remove what Bytewax's web server wrote, which belongs to the image's user."""
    place = Path(image.environment.get("BYTEWAX_DATAFLOW_API_CACHE_PATH", image.workdir))
    (place / "dataflow.json").unlink(missing_ok=True)
