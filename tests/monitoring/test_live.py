"""Running processes, looked at by a real Prometheus: their metrics, the dashboard's queries, an alert."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from math import isnan
from typing import Any

import pytest

from demo.drill.faults import elasticsearch_dead
from demo.drill.scene import Scene
from demo.topics import PARTITIONS
from monitoring.grafana.__main__ import FILE
from servers.embedded.kafka import EmbeddedKafka
from servers.prometheus import promtool
from tests.dataflows.health.strict import faults
from tests.dataflows.health.test_pages import get

SECONDS = 120.0
"""The deadline of what happens within seconds on a quiet machine."""

PANELS: list[dict[str, Any]] = [panel for panel in json.loads(FILE.read_text())["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
STANDS_FOR = {"$job": ".*", "$__rate_interval": "20s"}


@pytest.fixture(scope="module")
def scene(prometheus_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with EmbeddedKafka() as kafka:
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, partitions)
        with Scene(kafka.bootstrap, tmp_path_factory.mktemp("scene")) as scene:
            yield scene


def until(done: Callable[[], Any], scene: Scene) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, [pod.tail() for pod in scene.pods]
        time.sleep(0.2)


def post_ratings(scene: Scene, stopping: threading.Event) -> None:
    while not stopping.wait(0.5):
        connection = HTTPConnection("127.0.0.1", scene.intake.port, timeout=30)
        try:
            connection.request(
                "POST", "/ratings", b'{"rating_id":1,"user_id":1,"stars":3}', {"Content-Type": "application/json"}
            )
            connection.getresponse().read()
        except OSError:  # it does not listen yet
            pass
        finally:
            connection.close()


@pytest.fixture(scope="module")
def at_work(scene: Scene) -> Iterator[Scene]:
    """Every process has something to do, and is seen by Prometheus."""
    stopping = threading.Event()
    poster = threading.Thread(target=post_ratings, args=(scene, stopping))
    poster.start()
    until(lambda: len(scene.prometheus.query("up == 1")) == len(scene.pods), scene)
    yield scene
    stopping.set()
    poster.join()


def has_data(scene: Scene, query: str) -> bool:
    for name, value in STANDS_FOR.items():
        query = query.replace(name, value)
    samples = scene.prometheus.query(query)
    return bool(samples) and not any(isnan(sample.value) for sample in samples)


def test_every_query_of_the_dashboard_returns_data(at_work: Scene) -> None:
    left = set(QUERIES)
    deadline = time.monotonic() + SECONDS
    while left and time.monotonic() < deadline:
        left = {query for query in left if not has_data(at_work, query)}
        time.sleep(0.5)
    assert left == set()


def test_the_metrics_of_every_process_are_in_order(at_work: Scene) -> None:
    pages = {pod.port: get(pod.port, "/metrics")[1] for pod in at_work.pods}
    assert len(pages) == 4
    for page in pages.values():
        assert faults(page) == []
        promtool("check", "metrics", text=page)


def test_a_dead_elasticsearch_makes_an_alert_that_ends(at_work: Scene) -> None:
    def firing() -> set[str]:
        return {alert["labels"]["alertname"] for alert in at_work.prometheus.firing()}

    until(lambda: "RatingsHeldBack" not in firing(), at_work)
    with elasticsearch_dead(at_work):
        until(lambda: "RatingsHeldBack" in firing(), at_work)
    until(lambda: "RatingsHeldBack" not in firing(), at_work)
