"""The chart's processes on real servers, and random events: kills, stops, suspensions, restarts, other numbers of them.

The events are drawn from the seed that is printed; EVENTS_SEED repeats them.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random, SystemRandom

import pytest
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch
from servers.kafka import Kafka
from servers.s3 import S3
from tests.container import need_isolation
from tests.dataflows import test_archive, test_search
from tests.dataflows.test_kafka import branches
from tests.dataflows.world import TOO_MANY_STARS, Names, Outputs, Patience, Row, World
from tests.image import Image
from tests.k8s.events import Stage, drawn
from tests.k8s.kubelet import Kubelet
from tests.k8s.meanwhile import Meanwhile
from tests.k8s.sight import Sight

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("helm_runs_here")]

# `make soak` asks for more events, and for the bounds of a machine that does little else.
EVENTS = int(os.environ.get("EVENTS", "3"))
SUSPENDED = float(os.environ.get("EVENTS_SUSPENDED", "4"))
SEED = int(os.environ.get("EVENTS_SEED", SystemRandom().randrange(1_000_000)))
FLOWS_SECONDS = float(os.environ.get("EVENTS_FLOWS_SECONDS", "60"))
"""From an event to ratings on every path, without the time in which nothing could flow."""
READY_SECONDS = 10 + FLOWS_SECONDS / 5
"""A process is ready without an end of an epoch for 10 s. The last rating may have come out two epochs before."""
CUSTOMERS = 1000
PARTITIONS = {"ratings": 4, "customers": 3, "enriched": 2, "alerts": 1, "dead_letters": 1}
OF_A_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  # a name, which the chart refuses among its settings


@pytest.fixture
def servers(
    tmp_path: Path, kafka_runs_here: None, elasticsearch_runs_here: None, s3_runs_here: None
) -> Iterator[tuple[Kafka, Elasticsearch, S3]]:
    """Servers that no other test uses, so that they may be restarted."""
    with (
        Kafka(tmp_path / "kafka") as kafka,
        Elasticsearch(tmp_path / "elasticsearch") as elasticsearch,
        S3(tmp_path / "s3") as s3,
    ):
        yield kafka, elasticsearch, s3


@pytest.fixture
def world(servers: tuple[Kafka, Elasticsearch, S3], names: Names) -> World:
    kafka, *_ = servers
    for name, partitions in PARTITIONS.items():
        policy = "compact" if name == "customers" else "delete"
        kafka.create_topic(names[name], partitions, cleanup_policy=policy)
    world = World(kafka.bootstrap, names, Random(SEED), too_many_stars=0.01)
    world.change_customers(range(1, CUSTOMERS + 1), changes=300)
    return world


@pytest.fixture
def outputs(world: World) -> Iterator[Outputs]:
    outputs = Outputs(world)
    yield outputs
    outputs.close()


def test_random_events_leave_everything_once(
    servers: tuple[Kafka, Elasticsearch, S3], world: World, outputs: Outputs, image: Image, folder: Path
) -> None:
    need_isolation()
    kafka, elasticsearch, s3 = servers
    settings = world.settings(**branches(world, elasticsearch, s3))
    secret = {"name": OF_A_SECRET, "value": settings.pop(OF_A_SECRET)}
    kubelet = Kubelet(image, folder, {"settings": settings, "extraEnv": [secret]})
    sight = Sight(kafka.bootstrap, world.topics["enriched"], (PARTITIONS["ratings"], PARTITIONS["enriched"]))
    stage = Stage(kubelet, kafka, elasticsearch, s3, sight, Random(SEED), SUSPENDED)
    print(f"EVENTS_SEED={SEED}")

    def rate() -> None:
        world.rate(6, lambda: world.random.randrange(-1, CUSTOMERS + 1))

    def ask() -> None:
        sight.ask([pod.health for pod in kubelet.pods])

    with kubelet:
        kubelet.start(3)
        with Meanwhile(rate, sight.read, ask) as meanwhile:
            stage.flows()
            for number, event in enumerate(drawn(stage.random, EVENTS), 1):
                began = time.time()
                excused = event(stage)
                stage.flows()
                seconds = time.time() - began - excused
                print(f"{number:3} {event.__name__:28} {excused:5.1f} s, and ratings flow {seconds:4.1f} s later")
                assert seconds < FLOWS_SECONDS, kubelet.tail()
                meanwhile.check()
                stage.within(3)
        wait_for_everything(world, outputs, elasticsearch, s3)
        assert not any(kubelet.stop()), kubelet.tail()
    sight.close()
    check(world, outputs, elasticsearch, s3)
    print(f"{len(world.ratings)} ratings once; ready for {sight.ready_while_still:.1f} s at most while nothing flowed")
    assert sight.ready_while_still < READY_SECONDS


def place(world: World) -> str:
    """The name of the bucket and the index."""
    return world.topics["enriched"].lower()


def wait_for_everything(world: World, outputs: Outputs, elasticsearch: Elasticsearch, s3: S3) -> None:
    """Wait until all is out, or until nothing more has come for long."""
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken))
    refused = sum(rating["stars"] == TOO_MANY_STARS for rating in world.ratings.values())
    expected = 2 * len(world.ratings) + len(world.alerts())
    patience, rows, found = Patience(), dict[str, list[Row]](), 0
    with Client(elasticsearch.url, request_timeout=60) as client:
        while found < expected and patience.lasts(found):
            time.sleep(0.5)
            found = len(test_archive.archived(s3, place(world), rows))
            found += test_search.count(client, place(world)) + test_search.count(client, f"alerts-{place(world)}")
            found += min(len(world.search_letters(outputs)), refused)


def check(world: World, outputs: Outputs, elasticsearch: Elasticsearch, s3: S3) -> None:
    """Compare Kafka, Elasticsearch and S3 with the model."""
    world.check(outputs)
    test_archive.check(world, s3, place(world))
    with Client(elasticsearch.url, request_timeout=60) as client:
        documents = test_search.contents(client, place(world))
        alerts = test_search.contents(client, f"alerts-{place(world)}")
    world.check_search(documents, alerts, outputs)
