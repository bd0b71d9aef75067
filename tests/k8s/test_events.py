"""The chart's processes on real servers, and random events: kills, stops, suspensions, restarts, other numbers of them.

The events are drawn from the seed that is printed; EVENTS_SEED repeats them.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

import pytest
from elasticsearch import Elasticsearch as Client

from servers.elasticsearch import Elasticsearch
from servers.kafka import Kafka
from servers.process import Server
from servers.s3 import S3
from tests.container import need_isolation
from tests.dataflows import test_archive, test_search
from tests.dataflows.test_kafka import branches
from tests.dataflows.world import TOO_MANY_STARS, Names, Outputs, Patience, Row, World
from tests.image import Image
from tests.k8s.kubelet import Kubelet, Pod
from tests.k8s.meanwhile import Meanwhile
from tests.k8s.sight import Sight

pytestmark = [pytest.mark.timeout(1800), pytest.mark.usefixtures("helm_runs_here")]

# `make soak` asks for more events, and for the bounds of a machine that does little else.
SOAK = "EVENTS" in os.environ
EVENTS = int(os.environ.get("EVENTS", "3"))
SEED = int(os.environ.get("EVENTS_SEED", SystemRandom().randrange(1_000_000)))
SUSPENDED = float(os.environ.get("EVENTS_SUSPENDED", "4"))
"""Seconds that a process is suspended."""
AWAY = SUSPENDED / 3
"""Seconds that a server is away at most, its start not included."""
FLOWS_SECONDS = 15 if SOAK else 60
"""From an event to the moment when ratings of after it are out on every path, without what the event itself takes."""
READY_SECONDS = 10 + 3 if SOAK else 10 + 20
"""A process may be ready without an end of an epoch for 10 s. The last rating may be out two epochs before."""
CUSTOMERS = 1000
PARTITIONS = {"ratings": 4, "customers": 3, "enriched": 2, "alerts": 1, "dead_letters": 1}
OF_A_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  # a name, which the chart refuses among its settings
SIZES = (2, 4, 3)
"""The numbers of processes, one after the other; at first there are three."""


@dataclass
class Stage:
    """What events happen to."""

    kubelet: Kubelet
    kafka: Kafka
    elasticsearch: Elasticsearch
    s3: S3
    sight: Sight
    random: Random
    sizes: Iterator[int]

    def pods(self, count: int = 1) -> list[Pod]:
        """Some of the pods."""
        return self.random.sample(self.kubelet.pods, count)

    def within(self, seconds: float) -> None:
        """Wait for a random time, at most these seconds."""
        time.sleep(self.random.uniform(0, seconds))

    @contextmanager
    def restarts(self) -> Iterator[None]:
        """What happens in this context ends every pod; at the end of it all are started again."""
        pods = self.kubelet.pods
        before = [len(pod.codes) for pod in pods]
        yield
        self.kubelet.wait(lambda: all(len(pod.codes) > count for pod, count in zip(pods, before, strict=True)))

    def flows(self) -> float:
        """Wait until ratings of now are out on every path; the seconds until then."""
        now = time.time()
        self.kubelet.wait(lambda: self.sight.newest() > now)
        return time.time() - now


Event = Callable[[Stage], float]
"""Happens to a stage, and returns the seconds of it in which nothing can flow, whatever the flow does."""


def kill_of_one(stage: Stage) -> float:
    with stage.restarts():
        stage.pods()[0].container.kill()
    return 0


def kill_of_two(stage: Stage) -> float:
    with stage.restarts():
        for pod in stage.pods(2):
            pod.container.kill()
    return 0


def stop_of_one(stage: Stage) -> float:
    with stage.restarts():
        stage.pods()[0].container.terminate()
    return 0


def stop_of_all(stage: Stage) -> float:
    with stage.restarts():
        for pod in stage.kubelet.pods:
            pod.container.terminate()
    return 0


def stop_during_the_start(stage: Stage) -> float:
    kill_of_one(stage)
    stage.within(4)
    (pod,) = stage.pods()
    before = len(pod.codes)
    pod.container.wait_for_child("python")
    pod.container.terminate()
    stage.kubelet.wait(lambda: len(pod.codes) > before)
    return 0


def kill_soon_after_a_stop(stage: Stage) -> float:
    stop_of_one(stage)
    stage.within(2)
    (pod,) = stage.pods()
    before = len(pod.codes)
    pod.container.kill()
    stage.kubelet.wait(lambda: len(pod.codes) > before)
    return 0


def suspension(stage: Stage) -> float:
    (pod,) = stage.pods()
    pod.container.suspend()
    time.sleep(SUSPENDED)
    pod.container.resume()
    return SUSPENDED


def stop_of_a_suspended_one(stage: Stage) -> float:
    (pod,) = stage.pods()
    pod.container.suspend()
    with stage.restarts():
        pod.container.terminate()
        time.sleep(SUSPENDED / 10)
        pod.container.resume()
    return SUSPENDED / 10


def stop_beside_a_suspended_one(stage: Stage) -> float:
    """The others leave without the one that does not answer."""
    suspended, stopped = stage.pods(2)
    began = time.time()
    suspended.container.suspend()
    with stage.restarts():
        stopped.container.terminate()
        stage.kubelet.wait(partial(_has_ended_again, stopped, len(stopped.codes)))
        suspended.container.resume()
    return time.time() - began


def _has_ended_again(pod: Pod, before: int) -> bool:
    return len(pod.codes) > before


def restart_of_the_broker(stage: Stage) -> float:
    with stage.sight.nothing_arrives():
        return _restart(stage, stage.kafka)


def restart_of_elasticsearch(stage: Stage) -> float:
    return _restart(stage, stage.elasticsearch)


def restart_of_s3(stage: Stage) -> float:
    return _restart(stage, stage.s3)


def _restart(stage: Stage, server: Server) -> float:
    """The seconds for which it was away."""
    began = time.time()
    if stage.random.random() < 0.5:
        server.stop()
    else:
        server.kill()
    if server is not stage.kafka:
        assert stage.flows() < FLOWS_SECONDS, "ratings do not wait for the search and the archive"
    stage.within(AWAY)
    server.start()
    return time.time() - began


def another_number(stage: Stage) -> float:
    codes = stage.kubelet.stop()
    assert not any(codes), stage.kubelet.tail()
    stage.kubelet.start(next(stage.sizes))
    return 0


KINDS: list[Event] = [
    kill_of_one,
    stop_of_one,
    stop_of_all,
    suspension,
    restart_of_the_broker,
    another_number,
    kill_of_two,
    stop_during_the_start,
    kill_soon_after_a_stop,
    stop_of_a_suspended_one,
    stop_beside_a_suspended_one,
    restart_of_elasticsearch,
    restart_of_s3,
]


def drawn(random: Random, count: int) -> list[Event]:
    """Events in any order: each kind once before any comes again."""
    rounds = [random.sample(KINDS, len(KINDS)) for _ in range(-(-count // len(KINDS)))]
    return [event for of_round in rounds for event in of_round][:count]


@pytest.fixture
def servers(
    tmp_path: Path, kafka_runs_here: None, elasticsearch_runs_here: None, s3_runs_here: None
) -> Iterator[tuple[Kafka, Elasticsearch, S3]]:
    """Servers that no other test uses, so that they may be restarted."""
    servers = Kafka(tmp_path / "kafka"), Elasticsearch(tmp_path / "elasticsearch"), S3(tmp_path / "s3")
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


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
    random = Random(SEED)
    settings = world.settings(**branches(world, elasticsearch, s3))
    secret = {"name": OF_A_SECRET, "value": settings.pop(OF_A_SECRET)}
    kubelet = Kubelet(image, folder, {"settings": settings, "extraEnv": [secret]})
    sight = Sight(kafka.bootstrap, world.topics["enriched"], (PARTITIONS["ratings"], PARTITIONS["enriched"]))
    stage = Stage(kubelet, kafka, elasticsearch, s3, sight, random, iter(SIZES * EVENTS))
    print(f"EVENTS_SEED={SEED}")

    def write() -> None:
        world.rate(6, lambda: world.random.randrange(-1, CUSTOMERS + 1))

    def ask() -> None:
        sight.ask([pod.health for pod in kubelet.pods])

    with kubelet:
        kubelet.start(3)
        with Meanwhile(write, sight.read, ask) as meanwhile:
            stage.flows()
            for number, event in enumerate(drawn(random, EVENTS), 1):
                began = time.time()
                lasted = event(stage)
                stage.flows()
                seconds = time.time() - began - lasted
                codes = " ".join(str(pod.codes[-1]) if pod.codes else "-" for pod in kubelet.pods)
                print(f"{number:3} {event.__name__:28} {lasted:5.1f} s, flows {seconds:5.1f} s later; codes {codes}")
                assert seconds < FLOWS_SECONDS, kubelet.tail()
                meanwhile.check()
                stage.within(3)
        wait_for_everything(world, outputs, elasticsearch, s3)
        assert not any(kubelet.stop()), kubelet.tail()
    check(world, outputs, elasticsearch, s3)
    sight.close()
    print(f"{len(world.ratings)} ratings once; ready although nothing flowed for {sight.longest_lie:.1f} s at most")
    assert sight.longest_lie < READY_SECONDS


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
