"""What happens to the pods of a flow and to its servers: kills, stops, suspensions, restarts, other numbers of pods."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from servers.elasticsearch import Elasticsearch
from servers.kafka import Kafka
from servers.process import Server
from servers.s3 import S3
from tests.k8s.kubelet import Kubelet, Pod
from tests.k8s.sight import Sight


@dataclass
class Stage:
    """What events happen to."""

    kubelet: Kubelet
    kafka: Kafka
    elasticsearch: Elasticsearch
    s3: S3
    sight: Sight
    random: Random
    suspended: float
    """Seconds that a process is suspended."""
    sizes: Iterator[int] = field(default_factory=lambda: itertools.cycle((2, 4, 3)))
    """The next numbers of pods; at first there are three."""
    _ends: dict[Pod, int] = field(default_factory=dict)
    """How often each pod had ended when all were last seen to work."""

    def one(self) -> Pod:
        """Any pod."""
        return self.random.choice(self.kubelet.pods)

    def within(self, seconds: float) -> None:
        """Wait for a random time, at most these seconds."""
        time.sleep(self.random.uniform(0, seconds))

    @contextmanager
    def ends(self, *pods: Pod) -> Iterator[None]:
        """What happens in this context ends these pods, by default all; when they are started again, it is over.

        A pod may have ended by itself just before: that takes the others along as well.
        """
        expected = {pod: self._ends.get(pod, 0) + 1 for pod in pods or self.kubelet.pods}
        for pod, count in expected.items():
            if len(pod.codes) >= count:
                print(f"{pod.name} has ended by itself: {pod.tail()}")
        yield
        self.kubelet.wait(lambda: all(len(pod.codes) >= count for pod, count in expected.items()))
        self._count_ends()

    def flows(self) -> float:
        """Wait until ratings of now are out on every path; the seconds until then."""
        now = time.time()
        self.kubelet.wait(lambda: self.sight.newest() > now)
        self._count_ends()
        return time.time() - now

    def _count_ends(self) -> None:
        self._ends = {pod: len(pod.codes) for pod in self.kubelet.pods}


Event = Callable[[Stage], float]
"""Happens to a stage, and returns the seconds of it in which nothing can flow, whatever the flow does."""


def kill_of_one(stage: Stage) -> float:
    with stage.ends():
        stage.one().container.kill()
    return 0


def kill_of_all_but_one(stage: Stage) -> float:
    with stage.ends():
        for pod in stage.random.sample(stage.kubelet.pods, len(stage.kubelet.pods) - 1):
            pod.container.kill()
    return 0


def stop_of_one(stage: Stage) -> float:
    with stage.ends():
        stage.one().container.terminate()
    return 0


def stop_of_all(stage: Stage) -> float:
    with stage.ends():
        for pod in stage.kubelet.pods:
            pod.container.terminate()
    return 0


def stop_during_a_start(stage: Stage) -> float:
    kill_of_one(stage)
    stage.within(4)
    pod = stage.one()
    pod.container.wait_for_child("python")
    with stage.ends(pod):
        pod.container.terminate()
    return 0


def kill_soon_after_a_stop(stage: Stage) -> float:
    stop_of_one(stage)
    stage.within(2)
    pod = stage.one()
    with stage.ends(pod):
        pod.container.kill()
    return 0


def suspension(stage: Stage) -> float:
    pod = stage.one()
    pod.container.suspend()
    time.sleep(stage.suspended)
    pod.container.resume()
    return stage.suspended


def kill_of_a_suspended_one(stage: Stage) -> float:
    """The others wait for it then, and send it nothing."""
    pod, seconds = stage.one(), stage.suspended / 10
    pod.container.suspend()
    time.sleep(seconds)
    with stage.ends():
        pod.container.kill()
    return seconds


def stop_of_a_suspended_one(stage: Stage) -> float:
    pod, seconds = stage.one(), stage.suspended / 10
    pod.container.suspend()
    with stage.ends():
        pod.container.terminate()
        time.sleep(seconds)
        pod.container.resume()
    return seconds


def stop_beside_a_suspended_one(stage: Stage) -> float:
    """It leaves alone, when it has waited long enough."""
    suspended, stopped = stage.random.sample(stage.kubelet.pods, 2)
    began = time.time()
    suspended.container.suspend()
    with stage.ends():
        with stage.ends(stopped):
            stopped.container.terminate()
        suspended.container.resume()
    return time.time() - began


def restart_of_the_broker(stage: Stage) -> float:
    with stage.sight.nothing_arrives():
        return _restart(stage, stage.kafka)


def restart_of_elasticsearch(stage: Stage) -> float:
    return _restart(stage, stage.elasticsearch, meanwhile=stage.flows)


def restart_of_s3(stage: Stage) -> float:
    return _restart(stage, stage.s3, meanwhile=stage.flows)


def _restart(stage: Stage, server: Server, meanwhile: Callable[[], object] = lambda: None) -> float:
    """The seconds for which it was away."""
    began = time.time()
    stage.random.choice([server.stop, server.kill])()
    meanwhile()
    stage.within(stage.suspended / 3)
    server.start()
    return time.time() - began


def another_number_of_pods(stage: Stage) -> float:
    codes = stage.kubelet.stop()
    assert not any(codes), stage.kubelet.tail()
    stage.kubelet.start(next(stage.sizes))
    return 0


KINDS: list[Event] = [
    kill_of_one,
    kill_of_all_but_one,
    stop_of_one,
    stop_of_all,
    stop_during_a_start,
    kill_soon_after_a_stop,
    suspension,
    kill_of_a_suspended_one,
    stop_of_a_suspended_one,
    stop_beside_a_suspended_one,
    restart_of_the_broker,
    restart_of_elasticsearch,
    restart_of_s3,
    another_number_of_pods,
]


def drawn(random: Random, count: int) -> list[Event]:
    """Events in any order: each kind once before any comes again."""
    rounds = [random.sample(KINDS, len(KINDS)) for _ in range(-(-count // len(KINDS)))]
    return [event for of_round in rounds for event in of_round][:count]
