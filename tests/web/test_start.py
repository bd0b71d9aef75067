"""How the intake starts and stops: settings that are refused, a port that is taken, Kafka away, SIGTERM."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers.embedded.kafka import EmbeddedKafka
from servers.job import piped
from servers.topics import count
from tests.web.intake import ONE, Intake, places
from tests.web.test_clients import HEAD, answers, request

NOWHERE = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"INTAKE_HOST": "0.0.0.0"}, "INTAKE_HOST is '0.0.0.0', but INTAKE_TOKEN is not set: "),  # noqa: S104
        ({"INTAKE_HOST": "::"}, "INTAKE_HOST is '::', but INTAKE_TOKEN is not set: "),
        ({"INTAKE_HOST": "intake.example", "INTAKE_TOKEN": ""}, "INTAKE_HOST is 'intake.example', but INTAKE_TOKEN "),
        ({"INTAKE_HOST": ""}, "INTAKE_HOST is '', but it should match pattern"),
        (
            {"INTAKE_HOST": "192.0.2.1", "INTAKE_TOKEN": "hush-hush"},
            "INTAKE_HOST 192.0.2.1 and INTAKE_PORT 8080 cannot",
        ),
        ({"INTAKE_PORT": "65536"}, "INTAKE_PORT is '65536', but it should be less than or equal to 65535"),
        ({"INTAKE_TOKEN": "hush"}, "INTAKE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"INTAKE_TOKEN": "hush hush hush"}, "INTAKE_TOKEN is (not shown), but it must be at least 8 letters"),
        ({"KAFKA_ACKS": "1"}, "KAFKA_ACKS: "),
        ({"KAFKA_NONSENSE": "1"}, 'KAFKA_NONSENSE: No such configuration property: "nonsense"'),
        ({"RATINGS_TOPIC": "no topic"}, "RATINGS_TOPIC is 'no topic', but "),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_one_line(variables: dict[str, str], line: str) -> None:
    code, told = ended(KAFKA_BOOTSTRAP_SERVERS=NOWHERE, **variables)
    assert (code, len(told)) == (1, 1), told
    assert told[0].startswith(line)
    assert "hush" not in told[0]


def ended(**variables: str) -> tuple[int, list[str]]:
    """Exit code and lines of an intake that ends by itself."""
    process = piped("web.intake", **variables)
    try:
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, (out + errors).splitlines()


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told = ended(KAFKA_BOOTSTRAP_SERVERS=NOWHERE, INTAKE_PORT=port)
    assert (code, told) == (
        1,
        [f"INTAKE_HOST 127.0.0.1 and INTAKE_PORT {port} cannot be listened on: Address already in use"],
    )


def test_the_token_may_be_in_a_file(cluster: EmbeddedKafka, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush-hush\n")
    with Intake(tmp_path / "intake", cluster.bootstrap, INTAKE_TOKEN_FILE=str(tmp_path / "token")) as intake:
        intake.await_health()
        assert [intake.post(ONE).status, intake.post(ONE, Authorization="Bearer hush-hush").status] == [401, 202]
        assert "hush" not in intake.job.log.read_text()


def test_a_variable_that_is_no_setting_is_told(tmp_path: Path) -> None:
    with Intake(tmp_path, NOWHERE, INTAKE_TOKENS="x") as intake:
        intake.await_line("INTAKE_TOKENS is no setting: did you mean INTAKE_TOKEN?")


def test_it_starts_without_kafka_and_writes_when_it_is_there(own_cluster: EmbeddedKafka, tmp_path: Path) -> None:
    own_cluster.broker_down()
    with Intake(tmp_path, own_cluster.bootstrap) as intake:
        answers = [intake.post(ONE), intake.ask("GET", "/healthz")]
        assert [answer.status for answer in answers] == [503, 503]
        assert answers[0].content["reason"].startswith(f"Kafka at {own_cluster.bootstrap} has not answered yet")
        intake.await_line(f"Kafka at {own_cluster.bootstrap} does not answer: ")
        own_cluster.broker_up()
        intake.await_health()
        assert intake.post(ONE).status == 202
        intake.await_line("topic ratings can be written")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(cluster: EmbeddedKafka, tmp_path: Path, number: signal.Signals) -> None:
    with Intake(tmp_path, cluster.bootstrap) as intake, intake.connect(), intake.connect() as begun:
        begun.sendall(HEAD)
        intake.await_health()
        os.kill(intake.job.pids[0], number)
        assert intake.job.wait(10) == [0]
        assert "Traceback" not in intake.job.log.read_text()


@pytest.mark.parametrize(("comes_back", "status"), [(True, 202), (False, 503)])
def test_a_stop_finishes_what_is_under_way(
    own_cluster: EmbeddedKafka, tmp_path: Path, comes_back: bool, status: int
) -> None:
    with (
        Intake(tmp_path, own_cluster.bootstrap, INTAKE_DELIVERY_SECONDS="4") as intake,
        ThreadPoolExecutor() as pool,
        intake.connect() as half,
    ):
        intake.await_health()
        assert intake.post(ONE).status == 202
        half.sendall(request(ONE)[:-5])
        own_cluster.broker_down()
        waiting = pool.submit(intake.post, ONE)
        time.sleep(0.5)
        os.kill(intake.job.pids[0], signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            intake.connect()
        if comes_back:
            own_cluster.broker_up()
        half.sendall(request(ONE)[-5:])
        assert waiting.result().status == status
        assert answers(half, 1) == [b"%d" % status]
        assert intake.job.wait(20) == [0]
        assert "Traceback" not in intake.job.log.read_text()
    own_cluster.broker_up()
    if comes_back:
        assert count(own_cluster.bootstrap, "ratings") == 3
        assert len(places(waiting.result())) == 1
