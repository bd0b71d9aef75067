"""The main job on a real Kafka: its outputs, record by record, against a model of what was written."""

import io
import itertools
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import fastavro
import pytest

from records.enriched_avro import SCHEMA
from servers.elasticsearch import Elasticsearch
from servers.embedded.registry import RegistryDouble
from servers.job import Job
from servers.kafka import Kafka
from servers.s3 import S3
from tests.dataflows.world import Names, Outputs, Row, World

CUSTOMERS, RATINGS = 10_000, int(os.environ.get("WORLD_RATINGS", "30000"))
NOBODY = range(-1, 1)
LATE = range(100_001, 100_201)
GRACE = max(15, RATINGS // 4000)  # seconds: the customers that come late follow all ratings
SETTLED = 60
"""Seconds after a start, on a machine that does much else: the tests print the time that was needed."""
AVRO = fastavro.parse_schema(json.loads(SCHEMA))

# `make soak` asks for more of everything.
KILLS, KILLS_RATINGS = int(os.environ.get("KILLS", "10")), int(os.environ.get("KILLS_RATINGS", "20000"))
VARIANTS: list[tuple[str, list[int], bool]] = [("json", [1], False), ("avro", [2, 1, 3], False)]
if "KILLS" in os.environ:
    VARIANTS = [(form, processes, True) for form in ("json", "avro") for processes in ([1], [2])]
    VARIANTS.append(("avro", [1, 2, 3], True))


@pytest.fixture
def world(kafka: Kafka, names: Names) -> World:
    """Topics of different partition counts, 10,000 customers with 5,000 changes."""
    kafka.create_topic(names["ratings"], partitions=4)
    kafka.create_topic(names["customers"], partitions=3, cleanup_policy="compact")
    kafka.create_topic(names["enriched"], partitions=2)
    kafka.create_topic(names["alerts"], partitions=1)
    kafka.create_topic(names["dead_letters"], partitions=1)
    world = World(kafka.bootstrap, names, random.Random(7))
    world.change_customers(range(1, CUSTOMERS + 1), changes=CUSTOMERS // 2)
    return world


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    with RegistryDouble() as double:
        yield double


def settings(world: World) -> dict[str, str]:
    return world.settings(UNMATCHED_GRACE_SECONDS=str(GRACE))


def anybody(world: World, late: range = LATE) -> Callable[[], int]:
    """Customers, deleted customers, ids that never were, and customers that are yet to come."""

    def user() -> int:
        kind = world.random.random()
        if kind < 0.03:
            return world.random.choice(NOBODY)
        if kind < 0.05:
            return world.random.choice(late)
        return world.random.randrange(1, CUSTOMERS + 1)

    return user


def finish(world: World, outputs: Outputs, job: Job) -> None:
    """Wait for everything."""
    outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
    assert job.running(), job.tail()


@pytest.mark.parametrize("processes", [1, 2])
def test_outputs_equal_the_model(world: World, outputs: Outputs, tmp_path: Path, processes: int) -> None:
    with Job(tmp_path, settings(world), processes=processes) as job:
        world.rate(RATINGS, anybody(world))
        world.change_customers(LATE, changes=0)
        finish(world, outputs, job)
        assert job.stop() == [0] * processes, job.tail()
    world.check(outputs)


def test_outputs_equal_the_model_across_a_stop_and_a_start(world: World, outputs: Outputs, tmp_path: Path) -> None:
    job = Job(tmp_path, settings(world))
    world.rate(RATINGS // 2, anybody(world))
    with job:
        after_the_first_outputs(world, outputs)
        assert job.stop() == [0], job.tail()
    before = len(outputs.read("enriched"))
    assert 0 < before < RATINGS
    world.rate(RATINGS // 2, anybody(world))
    with job:
        world.change_customers(LATE, changes=0)
        finish(world, outputs, job)
        assert job.stop() == [0], job.tail()
    world.check(outputs)


@pytest.mark.parametrize(("form", "processes", "branches"), VARIANTS)
def test_kills_leave_everything_once(
    world: World,
    registry: RegistryDouble,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    form: str,
    processes: list[int],
    branches: bool,
) -> None:
    """Killed at the worst moments, and at any others; the number of processes changes from one start to the next.

    After each kill another start commits all that was written, before more is written.
    """
    variables = settings(world)
    if form == "avro":
        variables |= {"OUTPUT_FORMAT": "avro", "SCHEMA_REGISTRY_URL": registry.url}
    if branches:
        world.too_many_stars = 0.01
        variables |= with_branches(request, world)
    outputs = Outputs(world, from_avro if form == "avro" else json.loads)
    first = [in_the_first_epoch, after_the_first_outputs, while_starting, while_starting, while_writing, later]
    others = [after_the_first_outputs, while_starting, while_writing, later, later]
    moments = [*first, *world.random.choices(others, k=KILLS)][:KILLS]
    counts, seconds = itertools.cycle(processes), []
    world.rate(RATINGS // 10, anybody(world, range(LATE.start, LATE.start + 10)))
    for number, moment in enumerate(moments):
        with Job(tmp_path, variables, processes=next(counts)) as job:
            if number:
                seconds.append(seconds_to_the_ends(world, outputs, job))
                if number % 20 == 0:
                    finish(world, outputs, job)
                if moment in AT_A_START:
                    job.kill()
                    job.start()
            late = range(LATE.start + 10 * number, LATE.start + 10 * (number + 1))
            world.rate(KILLS_RATINGS // KILLS, anybody(world, late))
            moment(world, outputs)
            assert job.running(), job.tail()
            job.kill()
        world.change_customers(late, changes=0)  # the grace counts from the next start
    with Job(tmp_path, variables, processes=next(counts)) as job:
        seconds.append(seconds_to_the_ends(world, outputs, job))
        finish(world, outputs, job)
        time.sleep(3)  # for what would come twice
        assert set(job.stop()) == {0}, job.tail()
    world.check(outputs)
    outputs.close()
    print(f"{form}, {processes} processes, {KILLS} kills: {len(world.ratings)} ratings once;", end=" ")
    print(
        f"all committed {median(seconds):.1f} s after the last output of the next start, at most {max(seconds):.1f} s"
    )


def seconds_to_the_ends(world: World, outputs: Outputs, job: Job) -> float:
    """Wait until the group has committed all ratings and customers; return how long after the last output that was."""
    written, since = outputs.sizes(), time.time()
    while lag := world.lag(world.topics["ratings"]):
        assert job.running(), job.tail()
        assert time.time() < job.started + SETTLED, f"{lag} are not committed: {job.tail()}"
        if (now := outputs.sizes()) != written:
            written, since = now, time.time()
        time.sleep(0.2)
    return time.time() - max(since, job.started)


def in_the_first_epoch(world: World, outputs: Outputs) -> None:
    time.sleep(world.random.uniform(0.8, 2))


def while_starting(world: World, outputs: Outputs) -> None:
    time.sleep(world.random.uniform(0, 2))


def after_the_first_outputs(world: World, outputs: Outputs) -> None:
    before, deadline = outputs.size("enriched"), time.monotonic() + 15
    while outputs.size("enriched") == before and time.monotonic() < deadline:
        time.sleep(0.02)


def while_writing(world: World, outputs: Outputs) -> None:
    after_the_first_outputs(world, outputs)
    time.sleep(world.random.uniform(0, 1))


def later(world: World, outputs: Outputs) -> None:
    time.sleep(world.random.uniform(0.5, 4))


AT_A_START = (in_the_first_epoch, after_the_first_outputs, while_starting)
"""These are moments of a job that has just been started, the others of one that has committed all there was before."""


def with_branches(request: pytest.FixtureRequest, world: World) -> dict[str, str]:
    """Elasticsearch and S3 of the session."""
    return branches(world, request.getfixturevalue("elasticsearch"), request.getfixturevalue("s3"))


def branches(world: World, elasticsearch: Elasticsearch, s3: S3) -> dict[str, str]:
    """Elasticsearch and S3, in places of this world's own."""
    name = world.topics["enriched"].lower()
    s3.create_bucket(name)
    return {
        "ELASTICSEARCH_URL": elasticsearch.url,
        "ELASTICSEARCH_INDEX": name,
        "ELASTICSEARCH_ALERTS_INDEX": f"alerts-{name}",
        "S3_BUCKET": name,
        "S3_ROLL_SECONDS": "5",
        **s3.environment,
    }


def from_avro(value: bytes) -> Row:
    """An enriched rating as its JSON has it."""
    row = fastavro.schemaless_reader(io.BytesIO(value[5:]), AVRO, None)
    assert isinstance(row, dict)
    return {**row, "rating_ts": round(row["rating_ts"].timestamp() * 1000)}
