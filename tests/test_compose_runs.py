"""The services of compose.yaml as processes: commands, variables and health checks, on servers of this machine."""

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # public, not re-exported

from demo.topics import CUSTOMERS, ENRICHED, PARTITIONS
from servers import go, java
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.kafka import EmbeddedKafka
from servers.embedded.registry import RegistryDouble
from servers.embedded.s3 import EmbeddedS3
from servers.kafka import QUICK_START, Kafka
from servers.process import ROOT, Process, free_ports
from servers.seed import SEED_CUSTOMERS
from servers.topics import Reader, write
from tests.compose import Service, ours, secret_files, services
from tests.conftest import require
from tests.container import Container
from tests.image import Image

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("compose_loads_here")]

SECONDS = 120.0
FLOWS = ("flow-0", "flow-1", "notifier")
LASTING = (*FLOWS, "page", "intake", "generator")


class Here:
    """Services of the file on this machine: addresses of containers become addresses of 127.0.0.1, and paths ours."""

    def __init__(self, image: Image, folder: Path, servers: Mapping[str, str]) -> None:
        self.image = image
        self.recovery = image.root / "recovery"
        self.ports = dict(zip(LASTING, free_ports(len(LASTING)), strict=True))
        cluster = free_ports(2)
        self._places = {
            **servers,
            **{f"flow-{number}:9999": f"127.0.0.1:{port}" for number, port in enumerate(cluster)},
            **{f"{name}:3031": f"127.0.0.1:{self.ports[name]}" for name in FLOWS},
            "intake:8080": f"127.0.0.1:{self.ports['intake']}",
            "0.0.0.0": "127.0.0.1",  # noqa: S104
            "/recovery": str(self.recovery),
        }
        for path, file in secret_files().items():
            copy = folder / Path(file).name
            shutil.copyfile(file, copy)
            copy.chmod(0o644)
            self._places[path] = str(copy)
        for mounted in ("demo", "servers", "compose"):
            shutil.copytree(ROOT / mounted, image.workdir / mounted, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", image.workdir], check=True)

    def place(self, text: str) -> str:
        """A text of the file with what is here instead."""
        for there, here in self._places.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(there)}\b", here, text)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a service."""
        ports = dict.fromkeys(("HEALTH_PORT", "PAGE_PORT", "INTAKE_PORT"), str(self.ports.get(name, 0)))
        return {key: self.place(value) for key, value in self.service(name).get("environment", {}).items()} | ports

    def service(self, name: str) -> Service:
        """A service of the file."""
        return ours()[name]

    def start(self, name: str, output: int) -> Container:
        """Start a service."""
        command = [*self.image.entrypoint, *self.service(name)["command"]]
        return self.image.start(command, self.environment(name), output, writable=[self.recovery])

    def run(self, name: str) -> tuple[int, str]:
        """Run a service to its end; its exit code, and what it wrote."""
        command = [*self.image.entrypoint, *map(self.place, self.service(name)["command"])]
        return self.image.run(command, self.environment(name), writable=[self.recovery])

    def ill(self, name: str) -> str | None:
        """What the health check of a service says; None: nothing."""
        check = re.sub(
            r"127\.0\.0\.1:\d+", f"127.0.0.1:{self.ports[name]}", json.dumps(self.service(name)["healthcheck"]["test"])
        )
        code, written = self.image.run([self.place(word) for word in json.loads(check)[1:]], self.environment(name))
        return written if code else None


@pytest.fixture
def here(image: Image, folder: Path) -> Iterator[Here]:
    with EmbeddedKafka() as kafka, EmbeddedElasticsearch() as search, RegistryDouble() as registry, EmbeddedS3() as s3:
        for topic, partitions in {**PARTITIONS, "statistics": 1}.items():
            kafka.create_topic(topic, partitions)
        yield Here(
            image,
            folder,
            {
                "kafka:9092": kafka.bootstrap,
                "http://elasticsearch:9200": search.url,
                "http://registry:8080/apis/ccompat/v7": registry.url,
                "http://s3:7070": s3.url,
                "connect:8083": f"127.0.0.1:{free_ports(1)[0]}",  # nobody listens
            },
        )


def test_all_become_healthy_and_do_the_job(here: Here, folder: Path) -> None:
    bootstrap = here.place("kafka:9092")
    rows = [(f'{{"id":{one.id}}}', f'{{"id":{one.id},"last_name":"Astley"}}'.encode()) for one in SEED_CUSTOMERS]
    write(bootstrap, CUSTOMERS, rows)
    assert here.run("store") == (0, "")
    assert here.run("store") == (0, f"{here.recovery} has a recovery store.\n")
    assert here.run("bucket")[0] == 0
    logs = {name: folder / f"{name}.log" for name in LASTING}
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(here.start(name, stack.enter_context(log.open("w")).fileno()))
            for name, log in logs.items()
        }
        ill, deadline = dict.fromkeys(LASTING, ""), time.monotonic() + SECONDS
        while ill:
            ill = {name: said for name in ill if (said := here.ill(name)) is not None}
            assert time.monotonic() < deadline, (ill, [logs[name].read_text() for name in ill])
        with Reader(bootstrap, ENRICHED) as enriched:
            names = [json.loads(message.value() or b"")["last_name"] for message in enriched.take(40, SECONDS)]
        assert names.count("Astley") > len(names) / 2 >= 20
        for container in running.values():
            container.terminate()
        ends = {name: container.wait(SECONDS) for name, container in running.items()}
    told = "".join(log.read_text() for log in logs.values())
    assert ends == dict.fromkeys(LASTING, 0), told
    assert "Traceback" not in told


# -- One-shots and servers


def test_the_bucket_is_made_once_on_the_server_of_the_file(here: Here, folder: Path) -> None:
    require(go.VERSITYGW.unavailable())
    (port,) = free_ports(1)
    data = folder / "data"
    data.mkdir()
    server = services()["s3"]
    places = {":7070": f"127.0.0.1:{port}", "/data": str(data)}
    account = [f"{name}={value}" for name, value in server["environment"].items()]
    command = ["env", *account, str(go.VERSITYGW.built()), *(places.get(word, word) for word in server["command"])]
    check = [word.replace("7070", str(port)) for word in server["healthcheck"]["test"][1:]]
    process = Process("s3", folder / "s3.log")
    here_s3 = {**here.environment("bucket"), "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}
    process.start(command, lambda: subprocess.run(check, check=False, capture_output=True).returncode == 0)
    try:
        bucket = here.service("bucket")["command"]
        assert here.image.run(bucket, here_s3) == (0, "the bucket ratings is made\n")
        assert here.image.run(bucket, here_s3) == (0, "the bucket ratings was there\n")
    finally:
        process.stop()
    code, written = here.image.run(bucket, here_s3)
    assert (code, written.count("\n")) == (1, 1)
    assert written.startswith("no bucket ratings: Could not connect")


def test_without_connect_there_is_no_connector(here: Here) -> None:
    code, written = here.run("connector")
    assert (code, written.count("\n")) == (1, 1)
    assert re.match("no connector asgard: .*Connection refused", written)


def test_the_topics_are_made_once(kafka: Kafka, tmp_path: Path) -> None:
    tool = tmp_path / "kafka-topics.sh"
    main = ["java", *QUICK_START, "-cp", java.class_path("kafka"), "org.apache.kafka.tools.TopicCommand"]
    tool.write_text(f'#!/bin/sh\nexec {shlex.join(main)} "$@"\n')
    tool.chmod(0o755)
    shell, options, script = services()["topics"]["command"]
    suffix = f"-{tmp_path.name}"
    script = script.replace("/opt/kafka/bin/kafka-topics.sh", str(tool)).replace("kafka:9092", kafka.bootstrap)
    script = re.sub(r"--topic (\S+)", rf"--topic \1{suffix}", script).replace("$$", "$")
    for _ in range(2):
        run = subprocess.run([shell, options, script], check=False, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    admin = kafka.admin()
    topics = admin.list_topics(timeout=30).topics
    assert [len(topics[name + suffix].partitions) for name in ("ratings", CUSTOMERS)] == [4, 4]
    customers = ConfigResource(ConfigResource.Type.TOPIC, CUSTOMERS + suffix)
    config = admin.describe_configs([customers])[customers].result()
    assert config["cleanup.policy"].value == "compact"


@pytest.mark.parametrize(("status", "answer", "code"), [(200, True, 0), (200, False, 1), (503, True, 22)])
def test_the_dashboard_is_imported_or_the_import_fails(status: int, answer: bool, code: int) -> None:
    posted: list[tuple[str, str | None, bytes]] = []

    class Kibana(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers["kbn-xsrf"], body))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"success": answer}, separators=(",", ":")).encode())

    file = ROOT / "web" / "kibana" / "ratings.ndjson"
    with HTTPServer(("127.0.0.1", 0), Kibana) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        shell, options, script = services()["dashboard"]["command"]
        script = script.replace("kibana:5601", f"127.0.0.1:{server.server_port}").replace("/ratings.ndjson", str(file))
        run = subprocess.run([shell, options, script], check=False, capture_output=True, text=True)
        server.shutdown()
    assert bool(run.returncode) == bool(code), run.stderr
    ((path, header, body),) = posted
    assert (path, header) == ("/api/saved_objects/_import?overwrite=true", "true")
    assert file.read_bytes() in body
