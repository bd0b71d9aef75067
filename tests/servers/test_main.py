"""The commands that run all servers, and capture the changes of the customers, for a person."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Producer
from elasticsearch import Elasticsearch as Client

from servers.embedded.s3 import Endpoint
from servers.process import ROOT
from servers.seed import SEED_CUSTOMERS
from servers.topics import Reader

CUSTOMERS = "asgard.demo.CUSTOMERS"
# One of each server, in the order of what is printed.
NAMES = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "ELASTICSEARCH_URL",
    "AWS_ENDPOINT_URL_S3",
    "MYSQL_TCP_PORT",
    "SCHEMA_REGISTRY_URL",
    "CONNECT_URL",
)


def captured(bootstrap: str, count: int) -> list[bytes]:
    """The first `count` values of the customers topic; their order across partitions is nobody's."""
    with Reader(bootstrap, CUSTOMERS) as reader:
        return [message.value() or b"" for message in reader.take(count)]


def test_servers_for_a_person(
    connect_runs_here: None, elasticsearch_runs_here: None, s3_runs_here: None, tmp_path: Path
) -> None:
    def shell(command: str) -> str:
        command = f"source {tmp_path / 'env'} && {command}"
        return subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    servers = subprocess.Popen(
        [sys.executable, "-m", "servers", "--folder", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert servers.stdout is not None
        printed = [servers.stdout.readline() for _ in range(10)]
        found = shell(f"echo {' '.join(f'${name}' for name in NAMES)}").split()
        assert [value in line for value, line in zip(found, printed[: len(NAMES)], strict=True)] == [True] * len(NAMES)
        bootstrap, elasticsearch, s3, *_ = found
        topics = Producer({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
        ours = {name: len(topic.partitions) for name, topic in topics.items() if not name.startswith("__")}
        assert ours == {
            "ratings": 4,
            CUSTOMERS: 4,
            "ratings-with-customer-data": 4,
            "UNHAPPY_PLATINUM_CUSTOMERS": 4,
            "ratings-dead-letters": 1,
        }
        assert Client(elasticsearch).ping()
        Endpoint(s3).client().put_object(Bucket="ratings", Key="a", Body=b"")

        capture = f"{sys.executable} -m servers.cdc --env {tmp_path / 'env'} --form"
        assert shell(f"{capture} envelope-avro") == f"asgard writes demo.CUSTOMERS to {CUSTOMERS}, envelope-avro\n"
        assert {value[0] for value in captured(bootstrap, len(SEED_CUSTOMERS))} == {0}
        shell(f"{capture} flattened")  # in the place of the other, without another snapshot
        update = 'UPDATE CUSTOMERS SET comments = "mixed" WHERE id = 1'
        shell(f"{sys.executable} -m servers.mariadb '{update}'")
        (plain,) = (value for value in captured(bootstrap, len(SEED_CUSTOMERS) + 1) if value[0])
        assert json.loads(plain)["comments"] == "mixed"

        servers.terminate()
        assert servers.wait(60) == 0
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "run"]
    finally:
        servers.terminate()  # not kill: it stops its servers
        servers.wait(60)


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        (None, "no servers: there is no {env}; `make servers` in another shell starts them"),
        ("export S3_BUCKET=ratings\n", "{env} has no CONNECT_URL: `make servers` writes it"),
        (
            "export CONNECT_URL=http://127.0.0.1:1 MYSQL_TCP_PORT=1 KAFKA_BOOTSTRAP_SERVERS=a SCHEMA_REGISTRY_URL=b\n",
            "no connector: <urlopen error [Errno 111] Connection refused>",
        ),
    ],
)
def test_without_servers_there_is_no_capture(tmp_path: Path, env: str | None, reason: str) -> None:
    file = tmp_path / "env"
    if env is not None:
        file.write_text(env)
    command = [sys.executable, "-m", "servers.cdc", "--env", str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", reason.format(env=file) + "\n")
