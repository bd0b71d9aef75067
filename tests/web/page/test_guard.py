"""Who may see the page: the guard before an application that answers everything."""

import http.client
import socket
import threading
from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from web.listen import listen
from web.page.guard import Guard

TOKEN = "open-sesame"  # noqa: S105  # of this test


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


class Served:
    """The guard on a free port, in a thread."""

    def __init__(self, token: str | None) -> None:
        self.listener: socket.socket = listen("127.0.0.1", 0, "PAGE")
        self.port = self.listener.getsockname()[1]
        config = uvicorn.Config(Guard(PlainTextResponse("the page"), token), lifespan="off", log_config=None)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)

    def ask(self, method: str = "GET", path: str = "/", body: str = "", **headers: str) -> "Answer":
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


@pytest.fixture(scope="module")
def open_page() -> Iterator[Served]:
    served = Served(None)
    yield served
    served.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Served]:
    served = Served(TOKEN)
    yield served
    served.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("[", 403),
    ],
)
def test_only_this_machine_asks_without_a_token(open_page: Served, host: str, status: int) -> None:
    assert open_page.ask(Host=host).status == status


def test_another_site_may_not_ask(open_page: Served, guarded: Served) -> None:
    for served in (open_page, guarded):
        assert served.ask(Host="localhost:1", Origin="http://evil.example").status == 403
    assert open_page.ask(Host="localhost:1", Origin="http://localhost:1").status == 200
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert open_page.ask(Host="localhost:1", Origin="http://evil.example", **upgrade, **key).status == 403


def test_a_probe_needs_no_token_and_learns_nothing(open_page: Served, guarded: Served) -> None:
    for served in (open_page, guarded):
        answer = served.ask(path="/healthz", Host="10.0.0.1:8081")
        assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert guarded.ask(path="/healthz/").status == 401


def test_nothing_comes_from_elsewhere(open_page: Served) -> None:
    policy = open_page.ask().headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy


def test_the_token_opens_the_page(guarded: Served) -> None:
    assert guarded.ask().status == 401
    for wrong in ("", "token=", "token=open", "token=%ff", "x" * 3):
        assert guarded.ask("POST", "/login", wrong).status == 401
    assert guarded.ask("POST", "/login", "x" * 5000).status == 413
    answer = guarded.ask("POST", "/login", urlencode({"token": TOKEN}))
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert guarded.ask(Cookie=cookie.partition(";")[0]).status == 200
    assert guarded.ask(Cookie="page=wrong").status == 401


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(f"Bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 401), (f"Basic {TOKEN}", 401), ("", 401)],
)
def test_prometheus_gives_the_token(guarded: Served, authorization: str, status: int) -> None:
    answer = guarded.ask(path="/metrics", Authorization=authorization)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (status, None if status == 200 else "Bearer")


def test_what_prometheus_gives_shows_no_page(guarded: Served) -> None:
    assert guarded.ask(Authorization=f"Bearer {TOKEN}").status == 401


def test_without_a_token_this_machine_reads_the_metrics(open_page: Served) -> None:
    assert open_page.ask(path="/metrics", Host="localhost:8081").status == 200
    assert open_page.ask(path="/metrics", Host="page:8081").status == 403
