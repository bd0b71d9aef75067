"""The live page beside the job."""

from collections.abc import Sequence
from pathlib import Path

from servers import job
from servers.process import free_ports


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
            "PAGE_METRICS_URLS": ",".join(metrics_urls),
        }
        super().__init__(folder, told, module=("web",), recovery=0)
