"""The intake on a real Kafka: the form of the messages, a topic that is not there, and a broker that is killed."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.generate.ratings import Ratings
from servers.kafka import Kafka
from servers.topics import read, write
from tests.web.intake import Intake, places

LIST = 50
SECONDS = 20.0
"""How long clients post; the broker is killed twice meanwhile."""


def test_ratings_are_as_the_generator_writes_them(kafka: Kafka, topics: Callable[[str], str], tmp_path: Path) -> None:
    posted, generated = topics("posted"), topics("generated")
    for name in (posted, generated):
        kafka.create_topic(name)
    ratings = [rating for rating, _ in zip(Ratings(malformed_every=None), range(500), strict=False)]
    write(kafka.bootstrap, generated, [(rating.key, rating.value) for rating in ratings])
    with Intake(tmp_path, kafka.bootstrap, RATINGS_TOPIC=posted) as intake:
        intake.await_health()
        found = places(intake.post(b"[%s]" % b",\n".join(rating.value for rating in ratings)))
    assert len(set(found)) == 500
    one, other = (
        [(message.key(), message.value(), message.partition()) for message in read(kafka.bootstrap, name)]
        for name in (posted, generated)
    )
    assert sorted(one) == sorted(other)


def test_a_topic_that_is_not_there_is_told_and_not_created(
    kafka: Kafka, topics: Callable[[str], str], tmp_path: Path
) -> None:
    name = topics("ratings")
    with Intake(tmp_path, kafka.bootstrap, RATINGS_TOPIC=name) as intake:
        intake.await_line(f"topic {name} does not exist at {kafka.bootstrap}: create it")
        answer = intake.post(b'{"rating_id":1,"user_id":1}')
        assert (answer.status, answer.content["error"]) == (503, "kafka_away")
        assert "does not exist" in answer.content["reason"]
        time.sleep(2)  # it has looked some times more; the broker would create the topic for a producer
        assert name not in kafka.admin().list_topics(timeout=10).topics
        kafka.create_topic(name, 7)
        intake.await_health()
        assert intake.post(b'{"rating_id":1,"user_id":1}').status == 202


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(
    kafka_runs_here: None, topics: Callable[[str], str], tmp_path: Path
) -> None:
    name = topics("ratings")
    with Kafka(tmp_path / "kafka") as kafka:
        kafka.create_topic(name)
        with Intake(tmp_path / "intake", kafka.bootstrap, RATINGS_TOPIC=name, INTAKE_DELIVERY_SECONDS="5") as intake:
            intake.await_health()
            clients = Clients(intake)
            for _ in range(2):
                time.sleep(SECONDS / 5)
                kafka.kill()
                time.sleep(SECONDS / 10)
                kafka.start()
            intake.await_health()
            time.sleep(SECONDS / 5)
            clients.stop()
            assert intake.job.stop() == [0], intake.job.tail()
        written = {(one.partition(), one.offset()): one.value() for one in read(kafka.bootstrap, name)}
    acknowledged, statuses = clients.acknowledged, clients.statuses
    print(f"{len(acknowledged)} acknowledged, {len(written)} on the topic, answers {statuses}")
    assert statuses[202] > 20
    assert statuses[503] > 0
    assert statuses.keys() == {202, 503}
    assert len(acknowledged) >= LIST * statuses[202]
    assert {place: written.get(place) for place in acknowledged} == acknowledged
    # What was not acknowledged was posted as well: a rating that was never sent is not there.
    assert {json.loads(value or b"")["rating_id"] for value in written.values()} <= clients.posted


class Clients:
    """Threads that post lists until they are stopped, and note what was acknowledged."""

    def __init__(self, intake: Intake) -> None:
        self.acknowledged: dict[tuple[int, int], bytes] = {}
        self.statuses: dict[int, int] = {}
        self.posted: set[int] = set()
        self._intake, self._lock, self._stopped = intake, threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _post(self, number: int) -> None:
        turn = 0
        while not self._stopped.is_set():
            ids = [number * 10_000_000 + turn * LIST + index for index in range(LIST)]
            values = [b'{"rating_id":%d,"user_id":%d}' % (one, one % 20) for one in ids]
            answer = self._intake.post(b"[%s]" % b",".join(values))
            turn += 1
            found: list[Any] = answer.content.get("accepted", [])
            with self._lock:
                self.posted |= set(ids)
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
                for place, value in zip(found, values, strict=False):
                    if place is not None:
                        self.acknowledged[place["partition"], place["offset"]] = value
            self._stopped.wait(0.05 if answer.status == 202 else 0.2)


pytestmark = pytest.mark.timeout(180)
