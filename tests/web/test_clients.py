"""Clients that are slow, many, or hostile: each wait for them ends, and others are served meanwhile."""

import socket
import time
from pathlib import Path

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.topics import count
from tests.web.intake import ONE, Intake, places

HEAD = b"POST /ratings HTTP/1.1\r\nHost: intake\r\nContent-Type: application/json\r\n"
SECONDS = 1.0
"""The deadline of the fixture's intake, INTAKE_CLIENT_SECONDS."""


def request(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def answers(connection: socket.socket, count: int) -> list[bytes]:
    """The statuses of so many answers, whose bodies are JSON objects."""
    said = b""
    while said.count(b"HTTP/1.1 ") < count or not said.endswith(b"}"):
        received = connection.recv(65536)
        assert received, said
        said += received
    return [part[:3] for part in said.split(b"HTTP/1.1 ")[1:]]


def drip(connection: socket.socket, piece: bytes, intake: Intake, seconds: float = 10) -> tuple[float, bytes]:
    """Send a piece again and again until the server closes; the seconds until then, and what it said."""
    connection.settimeout(0.1)
    began, said = time.monotonic(), b""
    while time.monotonic() - began < seconds:
        try:
            connection.sendall(piece)
            received = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            break
        if not received:
            break
        said += received
        assert intake.ask("GET", "/healthz").status == 200
    return time.monotonic() - began, said


@pytest.mark.parametrize(
    ("first", "piece", "answer"),
    [
        (b"", b"", b""),
        (b"PO", b"", b""),
        (HEAD, b"X-Slow: 1\r\n", b""),
        (HEAD + b"Content-Length: 500\r\n\r\n{", b" ", b"HTTP/1.1 408 "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n", b"HTTP/1.1 408 "),
        (HEAD + b"Content-Length: 999999\r\n\r\n", b" ", b"HTTP/1.1 413 "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n%s\r\n" % (b" " * 4095), b"1\r\n \r\n", b"HTTP/1.1 413 "),
    ],
    ids=["silence", "a method", "headers", "body", "chunks", "a body too large", "chunks without end"],
)
def test_a_slow_client_is_let_go(intake: Intake, first: bytes, piece: bytes, answer: bytes) -> None:
    with intake.connect() as connection:
        connection.sendall(first)
        seconds, said = drip(connection, piece, intake)
    assert said.startswith(answer)
    assert bool(said) is bool(answer)
    assert SECONDS * 0.9 < seconds < SECONDS * 4
    assert intake.post(ONE).status == 202


def test_an_idle_connection_is_kept_and_then_closed(intake: Intake) -> None:
    with intake.connect() as connection:
        for _ in range(3):
            connection.sendall(request(ONE))
            assert answers(connection, 1) == [b"202"]
            time.sleep(SECONDS / 2)
        began = time.monotonic()
        assert connection.recv(65536) == b""
        assert time.monotonic() - began < SECONDS * 3


def test_requests_in_a_pipeline_are_answered_in_order(intake: Intake, cluster: EmbeddedKafka) -> None:
    before = count(cluster.bootstrap, "ratings")
    with intake.connect() as connection:
        connection.sendall(request(ONE) + request(b"x") + request(ONE) + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answers(connection, 4) == [b"202", b"400", b"202", b"200"]
    assert count(cluster.bootstrap, "ratings") - before == 2


def test_a_pipeline_without_end_is_cut(intake: Intake) -> None:
    with intake.connect() as connection:
        connection.settimeout(10)
        with pytest.raises(OSError, match=r"reset|Broken pipe|timed out") as caught:
            while True:
                connection.sendall(request(ONE) * 1000)
        assert not isinstance(caught.value, TimeoutError)
    assert intake.post(ONE).status == 202


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"POST /", b"x" * 10_000),
        (HEAD + b"X-Long: ", b"x" * 10_000),
        (HEAD, b"X-Many: 1\r\n" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-Trailer: ", b"x" * 10_000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 10_000),
    ],
    ids=["path", "header", "headers", "trailer", "chunk"],
)
def test_headers_and_framing_without_end_are_cut(intake: Intake, first: bytes, piece: bytes) -> None:
    with intake.connect() as connection:
        connection.settimeout(SECONDS / 2)  # before any deadline
        connection.sendall(first)
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                connection.sendall(piece)
    assert intake.post(ONE).status == 202


def test_a_client_that_does_not_read_its_answers_is_let_go(intake: Intake) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", intake.port))
        connection.settimeout(5 * SECONDS)
        with pytest.raises(ConnectionError):
            # The kernel takes some megabytes of answers before the intake is held up.
            for _ in range(200):
                connection.sendall(b"GET /docs HTTP/1.1\r\nHost: intake\r\n\r\n" * 20)
                time.sleep(0.05)
    assert intake.post(ONE).status == 202


def test_a_client_that_goes_away_leaves_nothing_behind(intake: Intake) -> None:
    for sent in (HEAD, HEAD + b"Content-Length: 500\r\n\r\n{", request(ONE)):
        for _ in range(20):
            with intake.connect() as connection:
                connection.sendall(sent)
    assert intake.post(ONE).status == 202
    time.sleep(0.5)
    assert b"intake_ratings_waiting 0.0" in intake.ask("GET", "/metrics").body
    assert "Traceback" not in intake.job.log.read_text()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /ratings HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /ratings HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"NONSENSE\r\n\r\n",
    ],
    ids=["TLS", "no length", "negative length", "two lengths", "no chunk", "no request"],
)
def test_what_is_not_http_is_refused(intake: Intake, sent: bytes) -> None:
    with intake.connect() as connection:
        connection.sendall(sent)
        said = b""
        while received := connection.recv(65536):
            said += received
    assert said.startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in intake.job.log.read_text()


def test_one_connection_too_many_is_refused_and_the_others_are_served(cluster: EmbeddedKafka, tmp_path: Path) -> None:
    with Intake(tmp_path, cluster.bootstrap, INTAKE_MAX_CONNECTIONS="3") as intake:
        intake.await_health()
        connections = [intake.connect() for _ in range(3)]
        try:
            time.sleep(0.2)
            refused = intake.ask("GET", "/healthz")
            assert (refused.status, refused.content["error"]) == (503, "too_many_connections")
            assert refused.headers["Retry-After"] == "1"
            for connection in connections:
                connection.sendall(request(ONE))
                assert answers(connection, 1) == [b"202"]
        finally:
            for connection in connections:
                connection.close()
        time.sleep(0.2)
        assert len(places(intake.post(ONE))) == 1
