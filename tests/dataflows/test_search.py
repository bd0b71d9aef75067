"""The search branch of the main job, on a real Kafka and a real Elasticsearch that are killed, or the job is."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from elasticsearch import Elasticsearch as Client
from elasticsearch import NotFoundError
from elasticsearch.helpers import scan

from servers.elasticsearch import Elasticsearch
from servers.job import Job
from servers.kafka import Kafka
from tests.dataflows.world import TOO_MANY_STARS, Names, Outputs, Patience, World

CUSTOMERS = 1000

# `make kills` asks for more of everything.
RATINGS = int(os.environ.get("KILLS_RATINGS", "20000"))
KILLS = int(os.environ.get("KILLS", "3"))
SERVER_KILLS = int(os.environ.get("SERVER_KILLS", "1"))


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory, elasticsearch_runs_here: None) -> Iterator[Elasticsearch]:
    with Elasticsearch(tmp_path_factory.mktemp("elasticsearch")) as server:
        yield server


@pytest.fixture
def server(own_server: Elasticsearch) -> Elasticsearch:
    """An empty Elasticsearch that no other file uses, so that a test may kill it."""
    if not own_server.running():
        own_server.start()
    with Client(own_server.url, request_timeout=60) as client:
        for index in client.indices.get(index="*", expand_wildcards="all"):
            client.indices.delete(index=index)
    return own_server


@pytest.fixture
def world(kafka: Kafka, names: Names) -> World:
    for name, topic in names.items():
        kafka.create_topic(topic, partitions=3, cleanup_policy="compact" if name == "customers" else "delete")
    world = World(kafka.bootstrap, names, Random(11), too_many_stars=0.01)
    world.change_customers(range(1, CUSTOMERS + 1), changes=300)
    return world


def settings(world: World, url: str, **more: str) -> dict[str, str]:
    return world.settings(ELASTICSEARCH_URL=url, **more)


def anybody(world: World) -> Callable[[], int]:
    return lambda: world.random.randrange(-1, CUSTOMERS + 1)


def contents(client: Client, index: str) -> dict[str, Any]:
    client.indices.refresh(index=index)
    return {hit["_id"]: hit["_source"] for hit in scan(client, index=index, size=5000)}


def check(world: World, server: Elasticsearch, outputs: Outputs, job: Job, *, duplicates: bool = False) -> None:
    """Wait until everything is indexed, stop the job, and compare with the model."""
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
    fine = sum(rating["stars"] != TOO_MANY_STARS for rating in world.ratings.values())
    with Client(server.url, request_timeout=60) as client:
        patience = Patience()
        while (found := count(client, "ratings-enriched")) < fine or count(client, "unhappy-platinum-customers") < len(
            world.alerts()
        ):
            assert patience.lasts(found), f"{found} of {fine} documents"
            assert job.running(), job.tail()
            time.sleep(0.5)
        refused = len(world.ratings) - fine
        while (found := len(world.search_letters(outputs))) < refused:  # they are written at a snapshot
            assert patience.lasts(found), f"{found} of {refused} dead letters"
            assert job.running(), job.tail()
            time.sleep(0.5)
        assert set(job.stop()) == {0}, job.tail()
        documents, alerts = contents(client, "ratings-enriched"), contents(client, "unhappy-platinum-customers")
    world.check_search(documents, alerts, outputs, duplicates=duplicates)


def count(client: Client, index: str) -> int:
    try:
        client.indices.refresh(index=index)
        return int(client.count(index=index)["count"])
    except NotFoundError:
        return 0


def test_every_rating_is_a_document(world: World, server: Elasticsearch, outputs: Outputs, tmp_path: Path) -> None:
    raw = {
        "ELASTICSEARCH_RATINGS_INDEX": "ratings-raw",
        "ELASTICSEARCH_GZIP": "true",
        "ELASTICSEARCH_VERSIONED": "true",
    }
    world.rate(5000, anybody(world))
    with Job(tmp_path, settings(world, server.url, **raw), processes=2) as job:
        check(world, server, outputs, job)
    world.check(outputs)
    with Client(server.url) as client:
        fine = sum(rating["stars"] != TOO_MANY_STARS for rating in world.ratings.values())
        assert count(client, "ratings-raw") == fine
        mapping = client.indices.get_mapping(index="ratings-enriched")["ratings-enriched"]["mappings"]
        assert mapping["properties"]["@timestamp"] == {"type": "date"}
        assert mapping["properties"]["stars"] == {"type": "byte"}


def test_kills_of_the_job_and_of_elasticsearch_lose_nothing(
    world: World, server: Elasticsearch, outputs: Outputs, tmp_path: Path
) -> None:
    job = Job(tmp_path, settings(world, server.url))
    done = threading.Event()

    def power_cuts() -> None:
        for _ in range(SERVER_KILLS):
            if done.wait(world.random.uniform(2, 6)):
                return
            server.kill()
            time.sleep(1)
            server.start()

    cuts = threading.Thread(target=power_cuts)
    cuts.start()
    try:
        for _ in range(KILLS):
            with job:
                world.rate(RATINGS // (KILLS + 1), anybody(world))
                time.sleep(world.random.uniform(1, 4))
                assert job.running(), job.tail()
                job.kill()
    finally:
        if SERVER_KILLS <= KILLS:
            cuts.join(120)
        done.set()
        cuts.join(120)
    with job:
        world.rate(RATINGS // (KILLS + 1), anybody(world))
        check(world, server, outputs, job)
    world.check(outputs)
    print(f"{KILLS} kills of the job, {SERVER_KILLS} of Elasticsearch, {len(world.ratings)} ratings: all once")


def test_without_a_recovery_store_nothing_is_lost_either(
    world: World, server: Elasticsearch, outputs: Outputs, tmp_path: Path
) -> None:
    job = Job(tmp_path, settings(world, server.url, BYTEWAX_SNAPSHOT_INTERVAL="1"), recovery=0)
    for _ in range(2):
        with job:
            world.rate(2000, anybody(world))
            time.sleep(world.random.uniform(1.5, 3))
            job.kill()
    with job:
        check(world, server, outputs, job, duplicates=True)


def test_an_absent_elasticsearch_holds_nothing_up(
    world: World, server: Elasticsearch, outputs: Outputs, tmp_path: Path
) -> None:
    server.kill()
    with Job(tmp_path, settings(world, server.url)) as job:
        world.rate(5000, anybody(world))
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running, quiet=20)
        world.check(outputs)
        assert job.stop() == [0], "a stop does not wait for it, either"
    server.start()
    with job:
        check(world, server, outputs, job)


def test_an_index_that_is_closed_for_a_while_has_every_rating_once_it_is_open(
    world: World, server: Elasticsearch, outputs: Outputs, tmp_path: Path
) -> None:
    with Job(tmp_path, settings(world, server.url)) as job, Client(server.url, request_timeout=60) as client:
        world.rate(2000, anybody(world))
        wait_until(lambda: count(client, "ratings-enriched") > 0, job)
        client.indices.close(index="ratings-enriched")
        world.rate(2000, anybody(world))
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running, quiet=30)
        line = "documents wait for Elasticsearch, the first for ratings-enriched: 400 index_closed_exception: closed"
        wait_until(lambda: line in job.tail(), job)
        client.indices.open(index="ratings-enriched")
        check(world, server, outputs, job)


def wait_until(done: Callable[[], bool], job: Job, seconds: float = 60) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline, job.tail()
        assert job.running(), job.tail()
        time.sleep(0.1)
