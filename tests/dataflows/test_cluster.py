"""A cluster whose processes are stopped one by one, suspended, or never come: on an embedded Kafka, with the model."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.job import RATINGS, Job
from servers.process import free_ports
from tests.dataflows.health.test_pages import get
from tests.dataflows.world import Names, Outputs, World

CUSTOMERS, COUNT = 200, 1500
TIME = 1_700_000_000_000
SECONDS = 90.0
"""The deadline of what happens within a second or two on a quiet machine."""


@pytest.fixture
def world(names: Names) -> Iterator[World]:
    with EmbeddedKafka() as kafka:
        for name, topic in names.items():
            kafka.create_topic(topic, partitions=2 if name in ("ratings", "customers") else 1)
        world = World(kafka.bootstrap, names, Random(11), time=lambda: TIME)
        world.change_customers(range(1, CUSTOMERS + 1), changes=50)
        yield world


def rate(world: World) -> None:
    world.rate(COUNT, lambda: world.random.randrange(-1, CUSTOMERS + 1))
    for rating in world.ratings.values():  # the embedded Kafka reports another time than it keeps
        rating["rating_ts"] = TIME


def until(done: Callable[[], bool], job: Job) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, job.tail()
        time.sleep(0.05)


def work(job: Job, world: World, outputs: Outputs) -> None:
    """Until a rating is out that came now: all processes of the job are up."""
    written = outputs.size("enriched")
    rate(world)
    until(lambda: outputs.size("enriched") > written, job)


def stopped_one(job: Job) -> None:
    """Both processes take a last snapshot, although the signal reaches one."""
    os.kill(job.pids[1], signal.SIGTERM)
    assert job.wait(SECONDS) == [0, 0], job.tail()


def stopped_beside_a_suspended_one(job: Job) -> None:
    """The process does not wait for the one that does not answer."""
    with suspended(job, 1):
        os.kill(job.pids[0], signal.SIGTERM)
        until(lambda: "leaves without a last snapshot" in job.tail() and not job.running(), job)
    assert all(job.wait(SECONDS)), job.tail()


def suspended_for_long(job: Job) -> None:
    """The others find it, of all, and end, so that the cluster is started again."""
    with suspended(job, 1):
        until(lambda: "no epoch has ended for" in job.tail() and not job.running(), job)
        assert re.search(r"this process waits for process 1 at 127\.0\.0\.1:\d+, or for the disk", job.tail())
    assert all(job.wait(SECONDS)), job.tail()


class suspended:  # noqa: N801  # read as a verb
    """A process of the job is suspended in this context."""

    def __init__(self, job: Job, process: int) -> None:
        self._pid = job.pids[process]

    def __enter__(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGCONT)


def test_everything_comes_once_whatever_happens_to_one_process(world: World, outputs: Outputs, tmp_path: Path) -> None:
    variables = world.settings(STALL_SECONDS="1", KAFKA_MESSAGE_TIMEOUT_MS="1000")
    for processes, happens in ((2, stopped_one), (2, stopped_beside_a_suspended_one), (3, suspended_for_long)):
        with Job(tmp_path, variables, processes=processes) as job:
            work(job, world, outputs)
            happens(job)
    with Job(tmp_path, variables, processes=2) as job:
        work(job, world, outputs)
        outputs.wait(ratings=len(world.ratings), broken=len(world.broken), alive=job.running)
        os.kill(job.pids[0], signal.SIGINT)
        assert job.wait(SECONDS) == [0, 0], job.tail()
    world.check(outputs)


@pytest.mark.parametrize("seconds", [2, 60])
def test_a_process_waits_for_the_others_within_a_bound(world: World, tmp_path: Path, seconds: int) -> None:
    *ports, port_of_others = free_ports(3)
    taken = socket.create_server(("127.0.0.1", port_of_others))
    cluster = ("-i", "0", "-a", ";".join(f"127.0.0.1:{port}" for port in ports))
    awaited = f"process 1 at 127.0.0.1:{ports[1]}"
    variables = world.settings(CONNECT_SECONDS=str(seconds), HEALTH_PORT=str(port_of_others))
    with taken, Job(tmp_path, variables, module=(*RATINGS, *cluster)) as job:
        if seconds == 2:
            assert job.wait(SECONDS) == [1]
            assert f"waited 2 s for {awaited}" in job.tail()
        else:
            until(lambda: f"waiting for {awaited}" in job.tail(), job)
            (port,) = re.findall(r"health page: 127\.0\.0\.1:(\d+), as", job.tail())
            assert get(int(port), "/livez")[0] == 200
            code, told = get(int(port), "/readyz")
            assert code == 503
            assert json.loads(told)["parts"]["peers"].startswith("connecting for")
            assert job.stop(10) == [0], job.tail()
