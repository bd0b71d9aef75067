"""The processes that the chart describes, run with its commands and variables on an embedded Kafka."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.process import ROOT, free_ports
from servers.topics import Reader, write
from tests.dataflows.world import Names, settings
from tests.k8s.chart import Document, containers, environment, only, rendered

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("helm_runs_here")]

SECONDS = 90.0


@pytest.fixture
def kafka(names: Names) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        for topic in names.values():
            kafka.create_topic(topic, partitions=4)
        yield kafka


@contextmanager
def running(values: Document, folder: Path) -> Iterator[None]:
    """All pods of the flow, as processes of this machine: each has the folder of its volume, and ports of its own.

    In the end they are stopped together, and exit with 0.
    """
    documents = rendered(values)
    stateful = only(documents, "StatefulSet")
    pod, count = stateful["spec"]["template"], stateful["spec"]["replicas"]
    here = {f"ratings-{number}.ratings:9999": f"127.0.0.1:{port}" for number, port in enumerate(free_ports(count))}
    processes = []
    for number, port in enumerate(free_ports(count)):
        place = folder / f"recovery-ratings-{number}"
        place.mkdir(exist_ok=True)
        name = {"metadata.name": f"ratings-{number}"}
        variables = {
            **environment(documents, pod, name),
            "POD": name["metadata.name"],
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(port),
            "BYTEWAX_RECOVERY_DIRECTORY": str(place),
        }
        del variables["BYTEWAX_DATAFLOW_API_ENABLED"]  # its port is one for all that share a network
        for host, address in here.items():
            variables["BYTEWAX_ADDRESSES"] = variables["BYTEWAX_ADDRESSES"].replace(host, address)
        init, process = containers(pod)
        script = [word.replace("/recovery", str(place)) for word in init["args"]]
        subprocess.run([*init["command"], *script], env=variables, check=True)
        processes.append(subprocess.Popen(process["args"], cwd=ROOT, env=variables, start_new_session=True))
    try:
        yield
        for one in processes:
            one.send_signal(signal.SIGTERM)
        assert [one.wait(SECONDS) for one in processes] == [0] * count
    finally:
        for one in processes:
            one.kill()
            one.wait()


def test_they_do_the_job_and_go_on_in_another_number(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> None:
    values = {"settings": settings(names, kafka.bootstrap)}
    write(kafka.bootstrap, names["customers"], [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
    with Reader(kafka.bootstrap, names["enriched"]) as enriched:
        for processes, first in [(2, 0), (3, 10), (1, 20)]:
            with running({**values, "processes": processes}, tmp_path):
                ratings = range(first, first + 10)
                sent = [(str(number), json.dumps({"rating_id": number, "user_id": 1}).encode()) for number in ratings]
                write(kafka.bootstrap, names["ratings"], sent)
                found = [json.loads(message.value() or b"") for message in enriched.take(len(sent), SECONDS)]
                assert sorted(record["rating_id"] for record in found) == [*ratings]
                assert {record["last_name"] for record in found} == {"Astley"}
        assert [*enriched.read()] == []
