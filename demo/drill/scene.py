"""A flow in two processes, the notifier and the intake, each started again when it ends; and a Prometheus."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from typing_extensions import Self

from demo.drill.rules import hurried
from demo.drill.traffic import Traffic
from demo.job import NOTIFY
from demo.topics import NOTIFIED, STATISTICS
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.s3 import EmbeddedS3
from servers.embedded.slack import CHANNEL, TOKEN, EmbeddedSlack
from servers.job import RATINGS, Job
from servers.process import free_ports
from servers.prometheus import Prometheus

RATE = 200.0
"""Ratings a second."""

_BUCKET = "ratings"
_LOOK_SECONDS = 0.2


class Pod(Job):
    """One process with a port of its own for its metrics."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str], module: Sequence[str], port: int, recovery: int = 1
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        super().__init__(folder, settings, module=module, recovery=recovery)


class Scene:
    """Everything at work, between the stand-ins of this process and a Kafka.

    Args:
        bootstrap: of a Kafka with the empty topics of `demo.topics`.
        folder: an empty one, for all files.
    """

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap, self._folder = bootstrap, folder
        self._stack = ExitStack()
        self._closing = threading.Event()
        self.is_kept_up = True
        """Whether a process that has ended is started again, as a kubelet does."""
        self._keeper = threading.Thread(target=self._keep_up, name="kubelet", daemon=True)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.elasticsearch = stack.enter_context(EmbeddedElasticsearch())
            self.slack = stack.enter_context(EmbeddedSlack())
            s3 = EmbeddedS3()
            stack.callback(s3.close)
            s3.create_bucket(_BUCKET)
            self.traffic = stack.enter_context(Traffic(self.bootstrap, RATE))
            common = {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap, "NOTIFIED_TOPIC": NOTIFIED}
            self.flow = self._flow(common, s3)
            notifier, intake = free_ports(2)
            slack = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_CHANNEL": CHANNEL, "SLACK_API_URL": self.slack.api_url}
            limits = {"NOTIFY_PER_MINUTE": "1000", "NOTIFY_COOLDOWN_SECONDS": "1"}
            told = {**common, **slack, **limits, "HEALTH_PORT": str(notifier)}
            self.notifier = Pod(self._folder / "notifier", told, NOTIFY, notifier)
            taken = {**common, "INTAKE_PORT": str(intake)}
            self.intake = Pod(self._folder / "intake", taken, ("web.intake",), intake, recovery=0)
            for pod in self.pods:
                stack.enter_context(pod)
            jobs = {
                "ratings": [pod.port for pod in self.flow],
                "notifier": [self.notifier.port],
                "intake": [self.intake.port],
            }
            rules = self._folder / "rules.yaml"
            hurried(rules)
            self.prometheus = stack.enter_context(Prometheus(self._folder / "prometheus", jobs, [rules]))
            self._keeper.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._keeper.join()
        self._stack.close()

    @property
    def pods(self) -> list[Pod]:
        """All processes that Prometheus looks at."""
        return [*self.flow, self.notifier, self.intake]

    def _flow(self, common: Mapping[str, str], s3: EmbeddedS3) -> list[Pod]:
        branches = {
            "STATISTICS_TOPIC": STATISTICS,
            "STATISTICS_WINDOW_SECONDS": "2",
            "ELASTICSEARCH_URL": self.elasticsearch.url,
            # Full within seconds, once Elasticsearch is away.
            "ELASTICSEARCH_MAX_BUFFER_BYTES": str(1 << 18),
            "S3_BUCKET": _BUCKET,
            "S3_ROLL_SECONDS": "2",
            **s3.environment,
        }
        *cluster, one, other = free_ports(4)
        addresses = ";".join(f"127.0.0.1:{port}" for port in cluster)
        return [
            Pod(
                self._folder / "flow",
                {**common, **branches, "HEALTH_PORT": str(port)},
                (*RATINGS, "-i", str(process), "-a", addresses),
                port,
            )
            for process, port in enumerate((one, other))
        ]

    def _keep_up(self) -> None:
        while not self._closing.wait(_LOOK_SECONDS):
            for pod in self.pods:
                if self.is_kept_up and not pod.running() and not self._closing.is_set():
                    pod.start()
