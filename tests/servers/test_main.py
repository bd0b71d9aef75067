"""The command that runs all servers for a person."""

import subprocess
import sys
from pathlib import Path

from confluent_kafka import Producer
from elasticsearch import Elasticsearch as Client

from embedded.s3 import Endpoint
from tests.servers.java import ROOT


def test_servers_for_a_person(
    kafka_runs_here: None, elasticsearch_runs_here: None, s3_runs_here: None, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.servers", "--folder", str(tmp_path)]
    servers = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert servers.stdout is not None
        printed = [servers.stdout.readline() for _ in range(5)]
        names = ["KAFKA_BOOTSTRAP_SERVERS", "ELASTICSEARCH_URL", "AWS_ENDPOINT_URL_S3", "S3_BUCKET"]
        shell = f"source {tmp_path / 'env'} && echo {' '.join(f'${name}' for name in names)}"
        sourced = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
        bootstrap, elasticsearch, s3, bucket = sourced.stdout.split()
        assert (bootstrap in printed[0], elasticsearch in printed[1], s3 in printed[2]) == (True, True, True)
        topics = Producer({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
        ours = {name: len(topic.partitions) for name, topic in topics.items() if not name.startswith("__")}
        assert ours == {
            "ratings": 4,
            "asgard.demo.CUSTOMERS": 4,
            "ratings-with-customer-data": 4,
            "UNHAPPY_PLATINUM_CUSTOMERS": 4,
            "ratings-dead-letters": 1,
        }
        assert Client(elasticsearch).ping()
        Endpoint(s3).client().put_object(Bucket=bucket, Key="a", Body=b"")
        servers.terminate()
        assert servers.wait(60) == 0
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "run"]
    finally:
        servers.terminate()  # not kill: it stops its servers
        servers.wait(60)
