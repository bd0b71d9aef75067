"""The image holds what its commands need: made from the Dockerfile without Docker, and run as its user."""

import ast
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from threading import Thread
from typing import TypeVar

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.kafka import Kafka
from servers.process import ROOT, free_ports
from servers.topics import write
from tests.conftest import require
from tests.container import Container, no_isolation
from tests.dataflows.test_start import inputs, read
from tests.dataflows.world import settings
from tests.image import Dockerignore, Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NOWHERE = {
    "ELASTICSEARCH_URL": "http://127.0.0.1:9",
    "S3_BUCKET": "ratings",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
"""All branches on, and their servers away."""

IMPORT = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
"""


def is_code(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def modules(image: Image) -> dict[str, ast.Module]:
    """The modules of an image by their names."""
    sources = {path.relative_to(image.workdir).with_suffix(""): path for path in image.workdir.rglob("*.py")}
    return {
        ".".join(name.parts).removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in sources.items()
    }


def imported(module: ast.Module) -> set[str]:
    """The first names of what a module imports, wherever in it."""
    names = [alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("lines", "left_out", "kept"),
    [
        ("", [], ["a", "a/b", ".a"]),
        ("a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("*", ["a", "a/b", ".a"], []),
        ("*.md", ["a.md"], ["a/b.md", "amd"]),
        ("**/*.md", ["a.md", "a/b.md", "a/b/c.md"], ["a"]),
        (".*", [".a", ".a/b"], ["a", "a/.b"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("**/a", ["a", "b/a", "b/c/a/d"], ["ba"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/*", ["a/b", "a/b/c"], ["a"]),
        ("a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]),
        ("!a/b\na", ["a/b"], []),
        ("*\n!a\na/b", ["b", "a/b"], ["a", "a/c"]),
        ("# a\n\n  b  ", ["b"], ["a", "# a"]),
    ],
)
def test_what_docker_leaves_out(lines: str, left_out: list[str], kept: list[str]) -> None:
    ignore = Dockerignore(lines)
    assert [path for path in left_out if not ignore.leaves_out(path)] == []
    assert [path for path in kept if ignore.leaves_out(path)] == []


def test_it_holds_the_code_and_nothing_of_development(image: Image) -> None:
    names = {path.name for path in image.workdir.iterdir()}
    code = {path.name for path in ROOT.iterdir() if is_code(path)} - {"tests", "benchmarks", "demo", "servers"}
    assert {"settings", "dataflows", "messages"} <= code
    assert code | {"LICENSE", "requirements", "entrypoint.sh", "entrypoint-recovery.sh"} <= names
    assert not names & {
        "tests",
        "benchmarks",
        "demo",
        "servers",
        "docs",
        "k8s",
        ".git",
        ".venv",
        ".servers",
        "recovery",
    }
    assert [path.name for path in (image.workdir / "requirements").iterdir()] == ["runtime.txt"]


def test_it_imports_nothing_that_it_does_not_hold(image: Image) -> None:
    found = modules(image)
    own = {name.partition(".")[0] for name in found}
    ours = {path.stem for path in ROOT.iterdir() if is_code(path)} | own
    missing = {name: strange for name, module in found.items() if (strange := imported(module) & ours - own)}
    assert missing == {}


def test_every_user_may_read_it_and_its_own_may_not_write(image: Image) -> None:
    paths = [image.workdir, *image.workdir.rglob("*")]
    closed = [path for path in paths if path.stat().st_mode & 0o7 != (0o5 if path.is_dir() else 0o4)]
    assert closed == []
    code, written = image.run(["python", "-c", "open('dataflow.json', 'w')"], {})
    assert code == 1
    assert ("Permission denied" if no_isolation() else "Read-only file system") in written


def test_its_packages_are_those_that_it_imports(image: Image) -> None:
    distributions = packages_distributions()
    own = {path.stem for path in image.workdir.iterdir()}
    names = {name for module in modules(image).values() for name in imported(module)} - own - sys.stdlib_module_names
    used = {distributions[name][0].lower().replace("_", "-") for name in names if name != "tomli"}
    locked = (image.workdir / "requirements" / "runtime.txt").read_text()
    installed = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    assert used - installed == set()
    assert installed & {"moto", "flask", "werkzeug", "cryptography", "rich", "pytest"} == set()


def test_its_labels_are_those_of_the_project(image: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"title": "name", "description": "description", "licenses": "license", "version": "version"}
    assert image.labels == {f"org.opencontainers.image.{label}": project[name] for label, name in named.items()}


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}, {"HOME": "/"}], ids=str)
def test_all_its_modules_can_be_imported(image: Image, home: dict[str, str]) -> None:
    names = [name for name in modules(image) if not name.endswith("__main__")]
    assert {"settings", "dataflows.ratings"} <= set(names)
    assert image.run(["python", "-c", IMPORT, *names], home) == (0, "")


def test_it_holds_the_rules_of_a_job_without_a_file(image: Image) -> None:
    code = "from dataflows.rules import load; print(load(None, 'alerts')[0].name)"
    assert image.run(["python", "-c", code], {}) == (0, "unhappy-platinum\n")


def test_its_commands_can_be_called(image: Image) -> None:
    commands = [
        name.removesuffix(".__main__")
        for name, module in modules(image).items()
        if "argparse" in imported(module) and (name.endswith("__main__") or "'__main__'" in ast.dump(module))
    ]
    assert "dataflows.templates" in commands
    for command in commands:
        code, written = image.run(["python", "-m", command, "--help"], {})
        assert (code, written[:6]) == (0, "usage:"), written


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
    require(no_isolation())
    with image.start([*image.entrypoint, *image.command], {}, subprocess.DEVNULL) as container:
        container.wait_for_child("python")
        container.terminate()
        # Python has not set its handlers yet, or has.
        assert container.wait(10) in {0, 128 + 15}


@contextmanager
def running(
    image: Image, folder: Path, command: list[str], variables: dict[str, str], *writable: Path
) -> Iterator[tuple[Container, Path]]:
    """A container and its log. It must run until the end of the context, and exit with 0 at SIGTERM."""
    log = folder / "log"
    with (
        log.open("w") as output,
        image.start(command, variables, output.fileno(), writable=writable) as container,
    ):
        yield container, log
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
    require(no_isolation())
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
        with running(image, folder, [*image.entrypoint, *image.command], variables, recovery) as (_, log):
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
    with running(image, folder, ["python", "-m", "bytewax.run", "dataflows.notify"], variables) as (_, log):
        wait_for(lambda: "Ricarda Astley" in log.read_text(), log)


def test_it_takes_a_rating_over_http(cluster: EmbeddedKafka, image: Image, folder: Path) -> None:
    (port,) = free_ports(1)
    cluster.create_topic("ratings", 1)
    variables = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "INTAKE_PORT": str(port)}
    with running(image, folder, ["python", "-m", "web.intake"], variables) as (_, log):
        wait_for(lambda: (ask(port, "GET", "/healthz") or (0,))[0] == 200, log)
        status, body = wait_for(lambda: ask(port, "POST", "/ratings", '{"rating_id":1,"user_id":7,"stars":2}'), log)
        assert (status, [record["user_id"] for record in read(cluster.bootstrap, "ratings", 1)]) == (202, [7]), body


def test_it_serves_the_page(cluster: EmbeddedKafka, image: Image, folder: Path) -> None:
    (port,) = free_ports(1)
    variables = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, "PAGE_PORT": str(port)}
    with running(image, folder, ["python", "-m", "web"], variables) as (_, log):
        status, page = wait_for(lambda: ask(port, "GET", "/"), log)
        assert status == 200
        assert b"Flight ratings, live" in page


def forget(image: Image) -> None:
    """Remove what Bytewax's web server wrote, which belongs to the image's user."""
    place = Path(image.environment.get("BYTEWAX_DATAFLOW_API_CACHE_PATH", image.workdir))
    (place / "dataflow.json").unlink(missing_ok=True)
