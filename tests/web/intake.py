"""The intake as a process, and a client of it."""

import http.client
import json
import re
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Self

from servers.job import Job

ONE = b'{"rating_id":1,"user_id":7,"stars":2}'
JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Intake:
    """`python -m web.intake` on a free port; a context kills it in the end."""

    def __init__(self, folder: Path, bootstrap: str, **variables: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "INTAKE_PORT": "0", **variables}
        self.job = Job(folder, names, module=["web.intake"], recovery=0)
        self.port = 0

    def __enter__(self) -> Self:
        self.job.__enter__()
        match = re.search(r"listening on http://\S+:(\d+)\n", self.await_line("listening on"))
        assert match
        self.port = int(match[1])
        return self

    def __exit__(self, *exception: Any) -> None:
        self.job.__exit__(*exception)

    def await_line(self, text: str, seconds: float = 30) -> str:
        """Wait until a text is in the log; return the log."""
        deadline = time.monotonic() + seconds
        while text not in (log := self.job.log.read_text()):
            assert self.job.running(), log
            assert time.monotonic() < deadline, log
            time.sleep(0.05)
        return log

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Ask on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def post(self, body: Any, **headers: str) -> Answer:
        """Post a body as JSON, with more headers (`_` for `-`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/ratings", body, JSON | named)

    def await_health(self, status: int = 200, seconds: float = 30) -> Answer:
        """Wait until `/healthz` has a status."""
        deadline = time.monotonic() + seconds
        while (answer := self.ask("GET", "/healthz")).status != status:
            assert time.monotonic() < deadline, answer
            time.sleep(0.1)
        return answer

    def connect(self) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def places(answer: Answer) -> list[tuple[int, int]]:
    """The partitions and offsets of an answer 202."""
    assert answer.status == 202, answer
    return [(place["partition"], place["offset"]) for place in answer.content["accepted"]]
