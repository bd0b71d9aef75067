"""The main job on a real Kafka: its outputs, record by record, against a model of what was written."""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.dataflows.world import Outputs, World
from tests.job import Job
from tests.servers.kafka import Kafka

CUSTOMERS, RATINGS = 20_000, int(os.environ.get("WORLD_RATINGS", "100000"))
NOBODY = range(-1, 1)
LATE = range(100_001, 100_201)
GRACE = 15


@pytest.fixture
def world(kafka: Kafka, topics: Callable[[str], str]) -> World:
    """Topics of different partition counts, 20,000 customers with 10,000 changes."""
    names = {name: topics(name) for name in ("ratings", "customers", "enriched", "alerts", "dead_letters")}
    kafka.create_topic(names["ratings"], partitions=4)
    kafka.create_topic(names["customers"], partitions=3, cleanup_policy="compact")
    kafka.create_topic(names["enriched"], partitions=2)
    kafka.create_topic(names["alerts"], partitions=1)
    kafka.create_topic(names["dead_letters"], partitions=1)
    world = World(kafka.bootstrap, names, random.Random(7))
    world.change_customers(range(1, CUSTOMERS + 1), changes=10_000)
    return world


@pytest.fixture
def outputs(world: World) -> Iterator[Outputs]:
    outputs = Outputs(world)
    yield outputs
    outputs.close()


def settings(world: World) -> dict[str, str]:
    names = {f"{name.upper()}_TOPIC": topic for name, topic in world.topics.items()}
    return {
        **names,
        "KAFKA_BOOTSTRAP_SERVERS": world.bootstrap,
        "KAFKA_GROUP_ID": world.topics["ratings"],
        "UNMATCHED_GRACE_SECONDS": str(GRACE),
    }


def anybody(world: World) -> Callable[[], int]:
    """Customers, deleted customers, ids that never were, and customers that are yet to come."""

    def user() -> int:
        kind = world.random.random()
        if kind < 0.03:
            return world.random.choice(NOBODY)
        if kind < 0.05:
            return world.random.choice(LATE)
        return world.random.randrange(1, CUSTOMERS + 1)

    return user


def finish(world: World, outputs: Outputs, job: Job) -> None:
    """The late customers arrive; wait for everything."""
    world.change_customers(LATE, changes=0)
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
    assert job.running(), job.tail()


@pytest.mark.parametrize("processes", [1, 2])
def test_outputs_equal_the_model(world: World, outputs: Outputs, tmp_path: Path, processes: int) -> None:
    with Job(tmp_path, settings(world), processes=processes) as job:
        world.rate(RATINGS, anybody(world))
        finish(world, outputs, job)
        assert job.stop() == [0] * processes, job.tail()
    world.check(outputs)


def test_outputs_equal_the_model_across_a_stop_and_a_start(world: World, outputs: Outputs, tmp_path: Path) -> None:
    job = Job(tmp_path, settings(world))
    world.rate(RATINGS // 2, anybody(world))
    with job:
        time.sleep(4)
        assert job.stop() == [0], job.tail()
    before = len(outputs.read("enriched"))
    assert 0 < before < RATINGS
    world.rate(RATINGS // 2, anybody(world))
    with job:
        finish(world, outputs, job)
        assert job.stop() == [0], job.tail()
    world.check(outputs)


def test_ten_kills_lose_nothing(world: World, outputs: Outputs, tmp_path: Path) -> None:
    job = Job(tmp_path, settings(world))
    world.rate(RATINGS // 2, anybody(world))
    for _ in range(10):
        with job:
            world.rate(RATINGS // 20, anybody(world))
            time.sleep(world.random.uniform(0.5, 4))
            assert job.running(), job.tail()
            job.kill()
    with job:
        finish(world, outputs, job)
        assert job.stop() == [0], job.tail()
    duplicates = world.check(outputs, duplicates=True)
    print(f"after ten kills: {dict(duplicates)} duplicates of {len(world.ratings)} ratings")
