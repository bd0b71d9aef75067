"""The health page of a real job, as probes, Prometheus and the status read it."""

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.kafka import EmbeddedKafka
from servers.job import Job, piped
from servers.process import free_ports
from servers.topics import Record, write
from tests.dataflows.health.strict import faults
from tests.dataflows.world import Names, settings

SECONDS = 90.0
CUSTOMER = b'{"id":7,"first_name":"Ada"}'


@pytest.fixture
def kafka(names: Names) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        for topic in names.values():
            kafka.create_topic(topic, partitions=2)
        write(kafka.bootstrap, names["customers"], [Record(b"7", CUSTOMER)])
        yield kafka


def rate(kafka: EmbeddedKafka, names: Names, count: int) -> None:
    ratings = [b'{"rating_id":%d,"user_id":7,"stars":1}' % number for number in range(count)]
    write(kafka.bootstrap, names["ratings"], [Record(None, rating, at % 2) for at, rating in enumerate(ratings)])


def get(port: int, path: str) -> tuple[int, str]:
    """The code and the body; 0: nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


def until(job: Job, port: int, path: str, meets: Callable[[int, str], bool]) -> Any:
    """Ask until the answer meets a condition."""
    deadline = time.monotonic() + SECONDS
    while not meets(*(answer := get(port, path))):
        assert job.running(), job.tail()
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer[1]


def test_what_a_job_tells_of_itself(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> None:
    port, bytewax = free_ports(2)
    elasticsearch = EmbeddedElasticsearch()
    variables = settings(
        names,
        kafka.bootstrap,
        ELASTICSEARCH_URL=elasticsearch.url,
        HEALTH_PORT=str(port),
        BYTEWAX_DATAFLOW_API_ENABLED="1",
        BYTEWAX_DATAFLOW_API_PORT=str(bytewax),
        BYTEWAX_DATAFLOW_API_CACHE_PATH=str(tmp_path),
    )
    with Job(tmp_path, variables) as job:
        lacking = until(job, port, "/readyz", lambda code, _: code == 503)
        assert "not built yet" in lacking
        until(job, port, "/readyz", lambda code, _: code == 200)
        rate(kafka, names, 100)
        counted = f'kafka_sink_messages_total{{topic="{names["enriched"]}"}} 100.0'
        until(job, port, "/metrics", lambda _, page: counted in page)
        page = until(job, port, "/metrics", lambda _, page: "flow_ready 1.0" in page)
        assert faults(page) == []
        assert "bytewax_item_out_count_total{" in page
        assert "bytewax_partd_write_duration_seconds_count{" in page
        assert f'kafka_source_lag{{partition="0",topic="{names["ratings"]}"}} 0.0' in page
        assert "rating_to_output_seconds_count 0.0" not in page
        assert "build_info{" in page
        status = json.loads(get(port, "/status")[1])
        assert (status["processes"], status["seen"]["phase"], status["seen"]["lacks"]) == (1, "running", {})
        shown = piped("dataflows.status", "--url", f"http://127.0.0.1:{port}", "--json", **variables)
        overview = json.loads(shown.communicate(timeout=SECONDS)[0])
        assert [flow["name"] for flow in overview["flows"]] == ["ratings"]

        elasticsearch.close()
        rate(kafka, names, 100)
        told = until(job, port, "/readyz", lambda code, _: code == 503)
        assert json.loads(told)["parts"]["outputs"].startswith("Elasticsearch: ")
        assert get(port, "/livez") == (200, '{"alive":true}\n')
        assert job.stop() == [0], job.tail()
