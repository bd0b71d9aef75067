"""The main job beside its metrics, which tell when it is up and how many ratings it holds."""

import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from servers import job
from servers.job import JobError
from servers.process import free_ports

NOTIFY = ("bytewax.run", "dataflows.notify")

_START_SECONDS = 60.0
_METRICS_SECONDS = 5.0
_HELD = "join_held"


class Job(job.Job):
    """Runs the dataflow on the Kafka of ``bootstrap``, with its recovery store and its log in ``folder``."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        module: Sequence[str] = job.RATINGS,
    ) -> None:
        (self._port,) = free_ports(1)
        told = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "BYTEWAX_DATAFLOW_API_ENABLED": "1",
            "BYTEWAX_DATAFLOW_API_PORT": str(self._port),
            "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(folder),
        }
        super().__init__(folder, told | dict(settings or {}), module=module, recovery=1)

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            JobError: it ended, or did not answer within 60 s.
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
    def metrics_url(self) -> str:
        """The endpoint of its metrics."""
        return f"http://127.0.0.1:{self._port}"

    def held(self) -> int:
        """Ask the job how many ratings it holds for want of their customers.

        Raises:
            JobError: its metrics cannot be read within 5 s, or lack the number.
        """
        numbers = [
            float(line.rpartition(" ")[2])
            for line in self._metrics().splitlines()
            if line.startswith((f"{_HELD} ", f"{_HELD}{{"))
        ]
        if not numbers:
            raise JobError(f"the job's metrics have no {_HELD}")
        return int(sum(numbers))

    def _metrics(self) -> str:
        # No proxy: urllib would ask one that the environment names.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_METRICS_SECONDS)
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
