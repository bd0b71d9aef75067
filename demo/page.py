"""The live page beside the job."""

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from servers import job
from servers.process import free_ports

_START_SECONDS = 60.0
_MINUTES = 10
"""The charts of a short run have something to show."""


class Page(job.Job):
    """Runs `python -m web` on the Kafka of ``bootstrap``, with its log in ``folder``."""

    def __init__(self, bootstrap: str, folder: Path, metrics_urls: Sequence[str]) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/"
        told = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "PAGE_PORT": str(port),
            "PAGE_MINUTES": str(_MINUTES),
            "STATUS_URLS": ",".join(metrics_urls),
        }
        self._port = port
        super().__init__(folder, told, module=("web",), recovery=0)

    def start(self) -> None:
        """Start it, and wait until it serves.

        Raises:
            JobError: it ended, or did not serve within 60 s.
        """
        super().start()
        deadline = time.monotonic() + _START_SECONDS
        while True:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), _START_SECONDS).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise job.JobError(f"the page did not come up within {_START_SECONDS:.0f} s: {error}") from None
                time.sleep(0.1)
            else:
                return
