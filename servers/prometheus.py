"""Prometheus: it scrapes processes of this machine, and evaluates alert rules; and its tool, which checks files."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from servers import debian
from servers.process import Server, free_ports

PACKAGE = "prometheus"
HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0


class QueryError(RuntimeError):
    """Prometheus refuses a query; the message is its reason."""


class Sample(NamedTuple):
    """A value of a series."""

    labels: Mapping[str, str]
    value: float


def unavailable() -> str | None:
    """The reason why a real Prometheus cannot run here; None where it can."""
    return debian.unavailable(PACKAGE, "prometheus")


def promtool(*words: str, text: str | None = None) -> str:
    """Run promtool, and return what it prints.

    Args:
        words: its command line.
        text: its standard input.

    Raises:
        RuntimeError: it exits with another code than 0; the message is what it prints.
    """
    command = [*debian.program(PACKAGE, "promtool"), *words]
    run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"promtool {' '.join(words)}: {run.stdout}{run.stderr}")
    return run.stdout


class Prometheus(Server):
    """A real Prometheus that keeps everything in `folder`: data, settings and `prometheus.log`.

    Args:
        folder: is made when it does not exist.
        jobs: the ports of each job, on this machine.
        rules: files of alert rules.
        seconds: between two scrapes of a process, and two evaluations of the rules.
    """

    def __init__(
        self, folder: Path, jobs: Mapping[str, Sequence[int]], rules: Sequence[Path] = (), seconds: int = 1
    ) -> None:
        super().__init__("Prometheus", folder)
        (self.port,) = free_ports(1)
        self._configuration = {
            "global": {
                "scrape_interval": f"{seconds}s",
                "scrape_timeout": f"{seconds}s",
                "evaluation_interval": f"{seconds}s",
            },
            "rule_files": [str(file) for file in rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}]}
                for job, ports in jobs.items()
            ],
        }

    def start(self) -> None:
        """Start the server; return when it answers.

        Raises:
            RuntimeError: it runs already, or it does not start; the message has the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "prometheus.yml"
        file.write_text(json.dumps(self._configuration))  # which is YAML
        options = {
            "config.file": file,
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": f"{HOST}:{self.port}",
            "log.level": "warn",
        }
        command = [f"--{name}={value}" for name, value in options.items()]
        self._process.start([*debian.program(PACKAGE, "prometheus"), *command], self._ready)

    def query(self, expression: str) -> list[Sample]:
        """The samples of an expression now.

        Raises:
            QueryError: it is wrong.
            OSError: the server is away.
        """
        found = self._get(f"/api/v1/query?{urlencode({'query': expression})}")
        return [Sample(one["metric"], float(one["value"][1])) for one in found["result"]]

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now, each with its `labels` and `annotations`.

        Raises:
            OSError: the server is away.
        """
        return [alert for alert in self._get("/api/v1/alerts")["alerts"] if alert["state"] == "firing"]

    def _get(self, path: str) -> Any:
        # No proxy: urllib would ask one that the environment names.
        connection = HTTPConnection(HOST, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise QueryError(answer["error"])
        return answer["data"]

    def _ready(self) -> bool:
        try:
            return bool(self._get("/api/v1/status/buildinfo"))
        except (OSError, HTTPException, ValueError):
            return False
