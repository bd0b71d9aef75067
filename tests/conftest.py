"""What all tests share: real servers for the session, and names for topics that nobody else uses."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from servers import connect as connect_server
from servers import debian
from servers import elasticsearch as elasticsearch_server
from servers import kafka as kafka_server
from servers import mariadb as mariadb_server
from servers import prometheus as prometheus_server
from servers import registry as registry_server
from servers import s3 as s3_server
from servers.connect import Connect
from servers.elasticsearch import Elasticsearch
from servers.go import COMPOSE
from servers.kafka import Kafka
from servers.mariadb import MariaDB
from servers.process import ROOT
from servers.registry import Registry
from servers.s3 import S3
from tests.image import Image

# How long an example takes depends on what else runs.
hypothesis_settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("busy")

MARKERS = {
    "kafka_runs_here": "kafka",
    "elasticsearch_runs_here": "elasticsearch",
    "s3_runs_here": "s3",
    "mariadb_runs_here": "mariadb",
    "prometheus_runs_here": "prometheus",
    "registry_runs_here": "registry",
    "connect_runs_here": "connect",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server, directly or by another fixture: `pytest -m 'not kafka'`."""
    for item in items:
        for fixture in MARKERS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKERS[fixture])


def require(unavailable: str | None) -> None:
    """Skip with the reason where a real server cannot run; fail on CI, where it must."""
    if unavailable is not None and os.environ.get("CI") == "true":
        pytest.fail(unavailable)
    if unavailable is not None:
        pytest.skip(unavailable)


@pytest.fixture(scope="session")
def kafka_runs_here() -> None:
    """Skip, or fail on CI, where a real Kafka cannot run."""
    require(kafka_server.unavailable())


@pytest.fixture(scope="session")
def kafka(kafka_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Kafka for the session; a test that stops or kills its broker starts one of its own."""
    with Kafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def elasticsearch_runs_here() -> None:
    """Skip, or fail on CI, where a real Elasticsearch cannot run."""
    require(elasticsearch_server.unavailable())


@pytest.fixture(scope="session")
def elasticsearch(elasticsearch_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elasticsearch]:
    """One real Elasticsearch for the session; a test that stops or kills its node starts one of its own."""
    with Elasticsearch(tmp_path_factory.mktemp("elasticsearch")) as elasticsearch:
        yield elasticsearch


@pytest.fixture(scope="session")
def s3_runs_here() -> None:
    """Skip, or fail on CI, where a real S3 cannot run."""
    require(s3_server.unavailable())


@pytest.fixture(scope="session")
def s3(s3_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """One real S3 for the session; a test that stops or kills its server starts one of its own."""
    with S3(tmp_path_factory.mktemp("s3")) as s3:
        yield s3


@pytest.fixture(scope="session")
def mariadb_runs_here() -> None:
    """Skip, or fail on CI, where a real MariaDB cannot run."""
    require(mariadb_server.unavailable())


@pytest.fixture(scope="session")
def mariadb(mariadb_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """One real MariaDB for the session; a test that needs the 20 customers calls its `seed()` first."""
    with MariaDB(tmp_path_factory.mktemp("mariadb")) as mariadb:
        yield mariadb


@pytest.fixture(scope="session")
def prometheus_runs_here() -> None:
    """Skip, or fail on CI, where a real Prometheus cannot run."""
    require(prometheus_server.unavailable())


@pytest.fixture(scope="session")
def registry_runs_here() -> None:
    """Skip, or fail on CI, where a real schema registry cannot run."""
    require(registry_server.unavailable())


@pytest.fixture(scope="session")
def registry(registry_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One real schema registry for the session."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="session")
def connect_runs_here(kafka_runs_here: None, mariadb_runs_here: None, registry_runs_here: None) -> None:
    """Skip, or fail on CI, where a real Kafka Connect, or one of those it works between, cannot run."""
    require(connect_server.unavailable())


@pytest.fixture(scope="session")
def connect(
    connect_runs_here: None,
    kafka: Kafka,
    mariadb: MariaDB,
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Connect]:
    """One real Kafka Connect for the session, between the session's servers; a test registers a prefix of its own."""
    with Connect(tmp_path_factory.mktemp("connect"), kafka, mariadb, registry) as connect:
        yield connect


@pytest.fixture(scope="session")
def compose_loads_here() -> None:
    """Skip, or fail on CI, where Compose's own library cannot be built."""
    require(COMPOSE.unavailable())


@pytest.fixture
def topics() -> Callable[[str], str]:
    """A function from a topic's usual name to a name of this test's own, the same one at every call."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"


@pytest.fixture
def names(topics: Callable[[str], str]) -> dict[str, str]:
    """The names of the job's topics in this test, by what they are; none is created."""
    return {name: topics(name) for name in ("ratings", "customers", "enriched", "alerts", "dead_letters")}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def image(folder: Path) -> Image:
    require(debian.unavailable("tini", "tini"))
    return Image(ROOT, folder / "root")
