"""The server of the health page: its port, its answers, and clients that behave badly."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException

import pytest

from dataflows.health.server import Page, PortError, Server
from servers.process import free_ports


def broken() -> Page:
    raise ValueError("no page")


PAGES = {"/a": lambda: Page(200, "text/plain", "ä\n"), "/no": lambda: Page(503, "text/plain", "no"), "/broken": broken}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("127.0.0.1", 0, PAGES) as server:
        server.start()
        yield server
        server.shutdown()


def get(server: Server, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "code", "body"),
    [
        ("/a", 200, "ä\n"),
        ("/a?b=c", 200, "ä\n"),
        ("/no", 503, "no"),
        ("/broken", 500, "ValueError\n"),
        ("/else", 404, "there are /a, /no, /broken\n"),
    ],
)
def test_what_it_answers(server: Server, path: str, code: int, body: str) -> None:
    assert get(server, path) == (code, body)


def test_of_a_port_that_is_taken_the_next_free_one_is_used() -> None:
    (port,) = free_ports(1)
    with Server("127.0.0.1", port, PAGES) as first, Server("127.0.0.1", port, PAGES) as second:
        assert first.port == port
        assert port < second.port < port + 100


def test_a_host_of_another_machine_is_told_in_one_line() -> None:
    with pytest.raises(PortError, match=r"^192\.0\.2\.1:3031 cannot be listened on: [^\n]+$"):
        Server("192.0.2.1", 3031, PAGES)


def test_clients_that_say_nothing_are_bounded_and_do_no_harm(server: Server) -> None:
    with ExitStack() as silent:
        for _ in range(16):
            silent.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as one_too_many:
            assert one_too_many.recv(1) == b""
    deadline = time.monotonic() + 60
    while not answers(server):  # it has not seen yet that the others have hung up
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(server: Server) -> bool:
    try:
        return get(server, "/a")[0] == 200
    except (OSError, HTTPException):
        return False
