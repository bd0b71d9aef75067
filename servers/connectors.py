"""The connectors of a worker of Kafka Connect, by its REST interface.

``python -m servers.connectors URL NAME FILE`` configures a connector by a JSON file, and waits until it runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CONNECTOR_SECONDS = 90.0
REQUEST_SECONDS = 60.0


class Refused(RuntimeError):
    """Kafka Connect does not do what it is asked; the message has its reason."""


class Endpoint:
    """A worker of Kafka Connect as its users see it, in this process and in others.

    Args:
        url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def connectors(self) -> list[str]:
        """The names of the connectors that it has, running or not."""
        return sorted(self._ask("GET", "/connectors"))

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Make a connector, or give the one of this name another configuration: it goes on where it was.

        Raises:
            RuntimeError: Connect refuses the configuration; the message has its reason.
        """
        self._ask("PUT", f"/connectors/{name}/config", dict(config))

    def delete(self, name: str) -> None:
        """Stop a connector for good; its offsets stay, and another of the same name goes on from them.

        Raises:
            RuntimeError: there is none.
        """
        self._ask("DELETE", f"/connectors/{name}")

    def wait(self, name: str, seconds: float = CONNECTOR_SECONDS) -> None:
        """Return when a connector's task runs and the snapshot that it began with is complete and in its topic.

        The table must have a row: nothing tells that the snapshot of an empty one is complete.

        Raises:
            RuntimeError: it failed, the message has the trace; or that takes longer than so many seconds.
        """
        deadline = time.monotonic() + seconds
        while not (self._runs(name) and self._snapshot_is_complete(name)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the connector {name} does not run, or has no row, after {seconds:.0f} s")
            time.sleep(0.1)

    def _runs(self, name: str) -> bool:
        try:
            status = self._ask("GET", f"/connectors/{name}/status")
        except Refused:  # nothing is known of it yet
            return False
        for part in (status["connector"], *status["tasks"]):
            if part["state"] == "FAILED":
                raise RuntimeError(f"the connector {name} failed:\n{part['trace']}")
        return bool(status["tasks"]) and all(task["state"] == "RUNNING" for task in status["tasks"])

    def _snapshot_is_complete(self, name: str) -> bool:
        # Only offsets of records that Kafka has acknowledged are told here.
        offsets = [found["offset"] for found in self._ask("GET", f"/connectors/{name}/offsets")["offsets"]]
        return bool(offsets) and not any("snapshot" in offset for offset in offsets)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        """What a request is answered with."""
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        request = Request(self.url + path, data, kind, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310
                return json.loads(response.read() or b"null")
        except HTTPError as refusal:
            text = refusal.read().decode(errors="replace")
            raise Refused(f"Kafka Connect answers {method} {path} with {refusal.code}: {text}") from None


def main() -> str | None:
    """Put the connector of the command line and wait; the reason why not ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m servers.connectors", description=__doc__)
    parser.add_argument("url", help="of the worker")
    parser.add_argument("name", help="of the connector")
    parser.add_argument("file", type=Path, help="its configuration, a JSON object of texts")
    options = parser.parse_args()
    worker = Endpoint(options.url)
    try:
        worker.put(options.name, json.loads(options.file.read_text()))
        worker.wait(options.name)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        return f"no connector {options.name}: {error}"
    sys.stdout.write(f"the connector {options.name} runs, and has written its table\n")
    return None


if __name__ == "__main__":
    sys.exit(main())
