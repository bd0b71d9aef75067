"""The pods of the flow as the chart describes them, and what a kubelet does with them, on this machine."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from typing_extensions import Self

from servers.process import free_ports
from tests.container import Container
from tests.image import Image
from tests.k8s.chart import Document, Values, containers, environment, only, rendered

SECONDS = 90.0
"""The deadline of what happens within seconds on a quiet machine."""
_LOOK_SECONDS = 0.05
_STACKS_SECONDS = 1.0
_TAIL_CHARACTERS = 20_000
"""Of a log: what happened in the minutes before."""


class Pod:
    """A pod of the StatefulSet: the chart's commands and variables, its user, and a volume that outlives it.

    Args:
        image: of its containers.
        documents: what helm makes of the chart.
        ordinal: the number of the pod.
        folder: of the volumes and logs of all pods.
        addresses: those of the cluster's processes on this machine, in their order.
        ports: two free ones.
    """

    def __init__(
        self,
        image: Image,
        documents: list[Document],
        ordinal: int,
        folder: Path,
        addresses: Sequence[str],
        ports: tuple[int, int],
    ) -> None:
        stateful = only(documents, "StatefulSet")
        template = stateful["spec"]["template"]
        self.name = f"{stateful['metadata']['name']}-{ordinal}"
        self.health, bytewax = ports
        self.codes: list[int] = []
        """The exit codes of the containers that have ended."""
        self._image, self._init, self._flow = image, *containers(template)
        self._user = "{runAsUser}:{runAsGroup}".format(**template["spec"]["securityContext"])
        self._volume, self._log = folder / f"recovery-{self.name}", folder / f"{self.name}.log"
        self._volume.mkdir(exist_ok=True)
        self._volume.chmod(0o777)
        self._variables = {
            **environment(documents, template, {"metadata.name": self.name}),
            "POD": self.name,
            # All pods have one machine and one network.
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(self.health),
            "BYTEWAX_DATAFLOW_API_PORT": str(bytewax),
            "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(self._volume),
            "BYTEWAX_RECOVERY_DIRECTORY": str(self._volume),
        }
        assert len(self._variables["BYTEWAX_ADDRESSES"].split(";")) == len(addresses)
        self._variables["BYTEWAX_ADDRESSES"] = ";".join(addresses)
        self._container: Container | None = None

    def initialize(self) -> None:
        """Run the init container."""
        script = [word.replace("/recovery", str(self._volume)) for word in self._init["args"]]
        with self._start([*self._init["command"], *script]) as container:
            assert container.wait(SECONDS) == 0, self.tail()

    def start(self) -> None:
        """Start the flow's container."""
        self._container = self._start([*self._image.entrypoint, *self._flow["args"]])

    def _start(self, command: list[str]) -> Container:
        with self._log.open("a") as log:
            return self._image.start(command, self._variables, log.fileno(), user=self._user, writable=[self._volume])

    @property
    def container(self) -> Container:
        """The flow's container of the last start."""
        assert self._container is not None
        return self._container

    def starts_again(self) -> None:
        """Start the container if it has ended."""
        if not self.container.running():
            self.codes.append(self.container.wait(0))
            self.start()

    def kill(self) -> None:
        """Kill the container for good."""
        if self._container is not None:
            self._container.kill()
            self._container.wait(SECONDS)

    def tail(self) -> str:
        """The exit codes so far, and the end of the log."""
        return f"{self.name} {self.codes}:\n{self._log.read_text()[-_TAIL_CHARACTERS:]}"


class Kubelet:
    """Starts the pods of the flow, and starts again whichever ends, at once. A context kills them in the end.

    A real kubelet starts a container again at once only the first time within ten minutes.

    Args:
        image: of the pods.
        folder: of their volumes and logs; it is kept from one start to the next.
        values: of the chart.
    """

    def __init__(self, image: Image, folder: Path, values: Values) -> None:
        self._image, self._folder, self._values = image, folder, values
        self._over, self._thread = threading.Event(), threading.Thread()
        self.pods: list[Pod] = []

    def start(self, processes: int) -> None:
        """Start the pods of an installation with this number of processes."""
        documents = rendered({**self._values, "processes": processes})
        ports = iter(free_ports(3 * processes))
        addresses = [f"127.0.0.1:{next(ports)}" for _ in range(processes)]
        self.pods = [
            Pod(self._image, documents, ordinal, self._folder, addresses, (next(ports), next(ports)))
            for ordinal in range(processes)
        ]
        for pod in self.pods:
            pod.initialize()
        for pod in self.pods:
            pod.start()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._over, self.pods), daemon=True)
        self._thread.start()

    def stop(self) -> list[int]:
        """Stop all pods together, for good; their exit codes."""
        self._leave()
        for pod in self.pods:
            pod.container.terminate()
        return [pod.container.wait(SECONDS) for pod in self.pods]

    def tail(self) -> str:
        """The ends of the logs."""
        return "\n".join(pod.tail() for pod in self.pods)

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + SECONDS
        while not done():
            assert time.monotonic() < deadline, self._stacks()
            time.sleep(_LOOK_SECONDS)

    def _stacks(self) -> str:
        for pod in self.pods:
            pod.container.show_stacks()
        time.sleep(_STACKS_SECONDS)
        return self.tail()

    def _run(self, over: threading.Event, pods: list[Pod]) -> None:
        while not over.wait(_LOOK_SECONDS):
            for pod in pods:
                pod.starts_again()

    def _leave(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        for pod in self.pods:
            pod.kill()
