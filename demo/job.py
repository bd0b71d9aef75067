"""The main job beside its metrics, which tell when each process is up and how many ratings it holds."""

import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from typing_extensions import override

from servers import job
from servers.job import JobError
from servers.process import free_ports

NOTIFY = ("bytewax.run", "dataflows.notify")

_START_SECONDS = 60.0
_METRICS_SECONDS = 5.0
_HELD = "join_held"


class Job(job.Job):
    """Runs the dataflow on the Kafka of ``bootstrap``, with its recovery store and its log in ``folder``.

    Args:
        bootstrap: of the Kafka.
        folder: as of every job.
        settings: beside those of Kafka and of the metrics.
        module: as of every job.
        processes: of a cluster, each with metrics of its own.
    """

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        module: Sequence[str] = job.RATINGS,
        processes: int = 1,
    ) -> None:
        self._ports = free_ports(processes)
        told = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "BYTEWAX_DATAFLOW_API_ENABLED": "1",
            "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
        }
        super().__init__(folder, told | dict(settings or {}), module=module, processes=processes, recovery=1)

    @override
    def own_settings(self, process: int) -> dict[str, str]:
        """The port of its metrics."""
        return {"BYTEWAX_DATAFLOW_API_PORT": str(self._ports[process])}

    @override
    def start(self) -> None:
        """Start it, and wait until every process answers.

        Raises:
            JobError: a process ended, or did not answer within 60 s.
        """
        super().start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                self._metrics()
            except JobError as error:
                if time.monotonic() > deadline:
                    raise JobError(f"the job did not come up within {_START_SECONDS:.0f} s: {error}") from None
                time.sleep(0.1)
            else:
                return

    @property
    def metrics_urls(self) -> list[str]:
        """The endpoints of the metrics of its processes."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    def held(self) -> int:
        """Ask the processes how many ratings they hold for want of their customers, in all.

        Raises:
            JobError: the metrics of one cannot be read within 5 s, or lack the number.
        """
        return sum(_held(text) for text in self._metrics())

    def _metrics(self) -> list[str]:
        return [_read(port) for port in self._ports]


def _held(metrics: str) -> int:
    lines = [line for line in metrics.splitlines() if line.startswith((f"{_HELD} ", f"{_HELD}{{"))]
    if not lines:
        raise JobError(f"the job's metrics have no {_HELD}")
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def _read(port: int) -> str:
    # No proxy: urllib would ask one that the environment names.
    connection = HTTPConnection("127.0.0.1", port, timeout=_METRICS_SECONDS)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, HTTPException) as error:
        raise JobError(f"the job's metrics cannot be read: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise JobError(f"the job's metrics cannot be read: HTTP {response.status}: {text[:200]}")
    return text
