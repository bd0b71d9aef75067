"""Bytewax's public Helm chart, and with it waxctl: its own commands, run as pods of the image."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from servers.embedded.kafka import EmbeddedKafka
from servers.process import ROOT, free_ports
from servers.topics import write
from settings import Settings
from tests.container import Container, need_isolation
from tests.dataflows.test_start import read
from tests.image import Image
from tests.waxctl.render import KEYS, NAMESPACE, RELEASE, RENDERED, VALUES, heading

README = (ROOT / "k8s" / "waxctl" / "README.md").read_text()
DOCUMENTS: dict[str, dict[str, Any]] = {
    document["kind"]: document for document in yaml.safe_load_all(RENDERED.read_text())
}
STATEFUL_SET = DOCUMENTS["StatefulSet"]["spec"]
POD: dict[str, Any] = STATEFUL_SET["template"]["spec"]
GRACE: int = POD["terminationGracePeriodSeconds"]
PROCESSES: int = STATEFUL_SET["replicas"]
REFUSED = {"LOG_LEVEL": "LOUD"}
REFUSAL = "ratings: LOG_LEVEL is 'LOUD', but "
"""A start that ends at once, with a line that only the flow's own module writes."""


class Pod:
    """A pod of the chart's StatefulSet: its containers are run one by one, and a volume is a folder.

    Args:
        image: the containers' image, and that of Busybox.
        folder: for the volumes and logs of this pod.
        shared: the folders of the volumes that all pods have, by name.
        ordinal: the number of the pod.
    """

    def __init__(self, image: Image, folder: Path, shared: Mapping[str, Path], ordinal: int) -> None:
        self._image, self._folder, self.name = image, folder / f"pod-{ordinal}", f"{RELEASE}-{ordinal}"
        self.volumes = {
            name: shared.get(name, self._folder / name) for name in (volume["name"] for volume in POD["volumes"])
        }
        for volume in self.volumes.values():
            volume.mkdir(parents=True, exist_ok=True)
            volume.chmod(0o777)

    def start(self, container: str, **variables: str) -> Container:
        """Start one of its containers, with more variables."""
        (spec,) = (one for one in [*POD["initContainers"], *POD["containers"]] if one["name"] == container)
        mounts = {mount["mountPath"].rstrip("/"): mount["name"] for mount in spec["volumeMounts"]}
        longest_first = "|".join(sorted(map(re.escape, mounts), key=len, reverse=True))

        def placed(text: str) -> str:
            return re.sub(longest_first, lambda path: str(self.volumes[mounts[path[0]]]), text)

        environment = {variable["name"]: variable.get("value", self.name) for variable in spec.get("env", ())}
        with self._log(container).open("a") as log:
            return self._image.start(
                [placed(word) for word in spec["command"]],
                # All pods have one machine, which strangers reach.
                {name: placed(value) for name, value in environment.items()} | {"HEALTH_HOST": "127.0.0.1"} | variables,
                log.fileno(),
                user="{runAsUser}:{runAsGroup}".format(**POD["securityContext"]),
                writable=[self.volumes[name] for name in mounts.values()],
            )

    def run(self, container: str, **variables: str) -> tuple[int, str]:
        """Run one of its containers to its end; its exit code, and what it wrote."""
        with self.start(container, **variables) as started:
            return started.wait(60), self.log(container)

    def log(self, container: str) -> str:
        """What a container wrote."""
        return self._log(container).read_text()

    def _log(self, container: str) -> Path:
        return self._folder / f"{container}.log"


@pytest.fixture
def pods(image: Image, folder: Path) -> list[Pod]:
    """The pods, with the addresses of all and the dataflow in their volumes."""
    need_isolation()
    shared = {"recovery": folder / "recovery", "python-files": folder / "python-files"}
    made = [Pod(image, folder, shared, ordinal) for ordinal in range(PROCESSES)]
    shutil.copy(ROOT / "k8s" / "waxctl" / "flow.py", shared["python-files"])
    assert [pod.run("init-hostfile")[0] for pod in made] == [0] * PROCESSES
    return made


def paths(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield from paths(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]


def test_the_chart_knows_every_value() -> None:
    known = set(KEYS.read_text().split())
    values = yaml.safe_load(VALUES.read_text())
    parents = {path: {path[: dot.start()] + ".*" for dot in re.finditer(r"\.", path)} for path in paths(values)}
    assert [path for path, above in parents.items() if not known & {path, f"{path}.*", *above}] == []


def test_its_settings_are_settings() -> None:
    assert Settings.load(yaml.safe_load(VALUES.read_text())["env"]).strangers == []


def test_the_rendering_is_of_our_present_values() -> None:
    assert RENDERED.read_text().startswith(heading()), "python -m tests.waxctl.render CLONE writes it again"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_rendering_is_valid(kind: str) -> None:
    kubernetes_validate.validate(DOCUMENTS[kind], "1.34", strict=True)


def test_waxctl_knows_every_flag_of_the_commands() -> None:
    lines = (Path(__file__).parent / "waxctl" / "flags.txt").read_text().splitlines()
    known = {f"{command} {flag}" for command, *flags in map(str.split, lines) for flag in flags}
    commands = re.findall(r"waxctl dataflow (\w+)((?:.*\\\n)*.*)", README)
    assert {command for command, _ in commands} == {"deploy", "list", "delete"}
    assert {f"{name} {flag}" for name, rest in commands for flag in re.findall(r"--[a-z-]+", rest)} - known == set()


def test_a_cluster_enriches_a_rating_and_stops_within_its_grace(pods: list[Pod], folder: Path) -> None:
    inits = [pod.start("init-recovery") for pod in pods]
    assert [init.wait(60) for init in inits] == [0, 0], [pod.log("init-recovery") for pod in pods]
    addresses = [f"{pod.name}.{RELEASE}.{NAMESPACE}.svc.cluster.local:9999" for pod in pods]
    loopback = [f"127.0.0.1:{port}" for port in free_ports(PROCESSES)]
    for pod in pods:
        hosts = pod.volumes["hostfile"] / "hostfile.txt"
        assert hosts.read_text().split() == addresses
        hosts.write_text("\n".join(loopback))  # there is no name server
    with EmbeddedKafka() as kafka:
        for topic in ("ratings", "asgard.demo.CUSTOMERS", "ratings-with-customer-data"):
            kafka.create_topic(topic, 2)
        write(kafka.bootstrap, "asgard.demo.CUSTOMERS", [('{"id":1}', b'{"id":1,"last_name":"Astley"}')])
        variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
        ports = map(str, free_ports(PROCESSES))
        first, second = (
            pod.start("process", **variables, BYTEWAX_DATAFLOW_API_PORT=port, BYTEWAX_KEEP_CONTAINER_ALIVE=keep)
            for pod, port, keep in zip(pods, ports, ("false", "true"), strict=True)
        )
        with first, second:
            write(kafka.bootstrap, "ratings", [(str(number), b'{"rating_id":1,"user_id":1}') for number in range(20)])
            enriched = read(kafka.bootstrap, "ratings-with-customer-data", 20, 60)
            assert [record["full_name"] for record in enriched] == ["Astley"] * 20, [pod.log("process") for pod in pods]
            first.terminate()
            second.terminate()
            assert [first.wait(GRACE), second.wait(GRACE)] == [0, 0], [pod.log("process") for pod in pods]
    for pod in pods:
        code, log = pod.run("init-recovery")
        assert (code, "has a recovery store" in log) == (0, True)


def test_sigterm_ends_a_pod_while_it_starts(pods: list[Pod]) -> None:
    with pods[0].start("process", BYTEWAX_PYTHON_FILE_PATH="dataflows.ratings") as process:
        process.wait_for_child("python")
        process.terminate()
        assert process.wait(GRACE) in {0, 128 + 15}


def test_a_container_that_is_kept_alive_ends_at_sigterm_with_the_code_of_its_dataflow(pods: list[Pod]) -> None:
    variables = {"BYTEWAX_PYTHON_FILE_PATH": "dataflows.ratings", "BYTEWAX_KEEP_CONTAINER_ALIVE": "true"}
    with pods[0].start("process", **variables, **REFUSED) as process:
        process.wait_for_child("sleep")
        assert REFUSAL in pods[0].log("process")
        process.terminate()
        assert process.wait(GRACE) == 1


@pytest.mark.parametrize("path", ["{app}/dataflows/ratings.py", "dataflows.ratings:flow", "./flow.py:flow"])
def test_the_dataflow_may_be_named_in_any_form(pods: list[Pod], image: Image, path: str) -> None:
    path = path.format(app=image.workdir)
    assert pods[0].run("process", BYTEWAX_PYTHON_FILE_PATH=path, **REFUSED)[1].startswith(REFUSAL)


def test_the_code_may_come_as_a_tar(pods: list[Pod], image: Image) -> None:
    (command,) = re.findall(r"^ +(tar .*)$", README, re.MULTILINE)
    files = pods[0].volumes["python-files"]
    (files / "flow.py").unlink()
    subprocess.run(command.replace("ratings.tar", str(files / "ratings.tar")), shell=True, cwd=ROOT, check=True)  # noqa: S602
    assert (files / "ratings.tar").stat().st_size < 1 << 20, "a ConfigMap holds 1 MiB"
    shutil.rmtree(image.workdir / "dataflows")
    assert pods[0].run("init-hostfile")[0] == 0
    (path,) = re.findall(r"--python-file-name (\S+)", README)
    path = str(pods[0].volumes["working-directory"] / path)
    assert pods[0].run("process", BYTEWAX_PYTHON_FILE_PATH=path, **REFUSED)[1].startswith(REFUSAL)


def test_a_store_that_was_half_made_is_made_again(pods: list[Pod]) -> None:
    recovery = pods[0].volumes["recovery"]
    (recovery / "unfinished").mkdir()
    for half in ("part-3.sqlite3", "unfinished/part-0.sqlite3"):
        (recovery / half).write_text("half")
    for path in (recovery / "unfinished", *recovery.rglob("part-*")):
        path.chmod(0o777)
    assert pods[0].run("init-recovery")[0] == 0
    parts = sorted(recovery.glob("**/part-*"))
    assert [part.relative_to(recovery).name for part in parts] == [f"part-{number}.sqlite3" for number in range(4)]
    assert {part.read_bytes()[:15] for part in parts} == {b"SQLite format 3"}
