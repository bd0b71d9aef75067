"""The processes that the chart describes, run with its commands and variables on an embedded Kafka."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.topics import Reader, write
from tests.dataflows.world import Names, settings
from tests.image import Image
from tests.k8s.kubelet import SECONDS, Kubelet

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("helm_runs_here")]


@pytest.fixture
def kafka(names: Names) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        for topic in names.values():
            kafka.create_topic(topic, partitions=4)
        yield kafka


def test_they_do_the_job_and_go_on_in_another_number(
    kafka: EmbeddedKafka, names: Names, image: Image, folder: Path
) -> None:
    write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
    with (
        Reader(kafka.bootstrap, names["enriched"]) as enriched,
        Kubelet(image, folder, {"settings": settings(names, kafka.bootstrap)}) as kubelet,
    ):
        for processes, first in [(2, 0), (3, 10), (1, 20)]:
            kubelet.start(processes)
            ratings = range(first, first + 10)
            sent = [(str(number), json.dumps({"rating_id": number, "user_id": 1}).encode()) for number in ratings]
            write(kafka.bootstrap, names["ratings"], sent)
            found = [json.loads(message.value() or b"") for message in enriched.take(len(sent), SECONDS)]
            assert sorted(record["rating_id"] for record in found) == [*ratings], kubelet.tail()
            assert {record["last_name"] for record in found} == {"Astley"}
            assert kubelet.stop() == [0] * processes, kubelet.tail()
        assert [*enriched.read()] == []
