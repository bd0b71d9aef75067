"""The generator as a process: `python -m demo.generate`."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import pytest
from confluent_kafka import Message
from fastavro import parse_schema, schemaless_reader

from demo.generate import CHANNELS, MESSAGES
from demo.generate.avro import SCHEMA
from messages.errors import DecodeError
from messages.wire import framed_value
from records.rating import Rating, decode
from servers import topics
from servers.embedded.kafka import EmbeddedKafka
from servers.job import piped
from servers.kafka import Kafka
from servers.process import ROOT
from servers.registry import Registry

SECONDS = 60
ACCOUNT = re.compile(r"ratings (\d+) failed (\d+) seconds (\d+\.\d) rate (\d+)")


class Ended(NamedTuple):
    code: int
    delivered: int
    failed: int
    seconds: float
    rate: int
    errors: str


def start(*options: object, **environment: str) -> subprocess.Popen[str]:
    return piped("demo.generate", *map(str, options), **environment)


def end(process: subprocess.Popen[str]) -> Ended:
    try:
        out, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    account = ACCOUNT.fullmatch(out.strip())
    assert account, (out, errors)
    delivered, failed, seconds, rate = account.groups()
    return Ended(process.returncode, int(delivered), int(failed), float(seconds), int(rate), errors)


def refused(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code, and the lines of stderr; there must be nothing on stdout."""
    try:
        out, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert out == ""
    return process.returncode, errors.splitlines()


def read(bootstrap: str, topic: str) -> list[Message]:
    """All messages of a topic, by key."""
    return sorted(topics.read(bootstrap, topic), key=lambda message: int(message.key() or b"-1"))


def until_written(bootstrap: str, topic: str) -> None:
    deadline = time.monotonic() + SECONDS
    with topics.Reader(bootstrap, topic) as reader:
        while sum(reader.ends()) < 100:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def topic(kafka: Kafka, topics: Callable[[str], str]) -> str:
    name = topics("ratings")
    kafka.create_topic(name)
    return name


def values(messages: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.value() or b"") for message in messages]


def test_ratings_are_those_of_the_reference(kafka: Kafka, topic: str) -> None:
    began = time.time() * 1000
    ended = end(start("--rate", 0, "--count", 20_000, KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap, RATINGS_TOPIC=topic))
    assert (ended.code, ended.delivered, ended.failed, ended.errors) == (0, 20_000, 0, "")
    messages = read(kafka.bootstrap, topic)
    ratings = [decode(message) for message in messages]
    assert [message.key() for message in messages] == [b"%d" % number for number in range(1, 20_001)]
    assert [rating.rating_id for rating in ratings] == list(range(1, 20_001))
    assert {rating.user_id for rating in ratings} == set(range(-1, 20))
    assert {rating.stars for rating in ratings} == {1, 2, 3, 4}
    assert {rating.channel for rating in ratings} == set(CHANNELS)
    assert {rating.message for rating in ratings} == set(MESSAGES)
    assert all(1 <= (rating.route_id or 0) <= 9998 for rating in ratings)
    assert all(began - 1 <= (rating.rating_time or 0) <= rating.rating_ts <= time.time() * 1000 for rating in ratings)
    assert len({message.partition() for message in messages}) == 4


def test_the_seed_is_all_that_ratings_depend_on(kafka: Kafka, topics: Callable[[str], str]) -> None:
    def run(name: str, *options: object) -> list[dict[str, Any]]:
        topic = topics(name)
        kafka.create_topic(topic)
        assert end(start("--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 0, *options)).code == 0
        return [rating | {"rating_time": 0} for rating in values(read(kafka.bootstrap, topic))]

    assert run("one", "--seed", 1, "--count", 2500) == run("again", "--seed", 1, "--count", 3000)[:2500]
    assert run("two", "--seed", 2, "--count", 2500) != run("three", "--seed", 3, "--count", 2500)


def ask(url: str, method: str = "GET", body: object = None) -> Any:
    """Ask a schema registry, without our own client of it."""
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, content, headers, method=method), timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def test_avro_says_what_json_says(kafka: Kafka, topics: Callable[[str], str], registry: Registry) -> None:
    def run(form: str) -> list[Message]:
        topic = topics(form)
        kafka.create_topic(topic)
        options = ["--topic", topic, "--rate", 0, "--count", 3000, "--time", "datagen", "--format", form]
        ended = end(start("--bootstrap", kafka.bootstrap, *options, SCHEMA_REGISTRY_URL=registry.url))
        assert (ended.code, ended.delivered, ended.errors) == (0, 3000, "")
        return read(kafka.bootstrap, topic)

    plain, binary = run("json"), run("avro")
    framed = [framed for message in binary if (framed := framed_value(message))]
    (schema_id,) = {one.schema for one in framed}
    assert ask(f"{registry.url}/subjects/{topics('avro')}-value/versions/latest")["id"] == schema_id
    schema = parse_schema(json.loads(ask(f"{registry.url}/schemas/ids/{schema_id}")["schema"]))
    assert [schemaless_reader(BytesIO(one.payload), schema, None) for one in framed] == values(plain)
    assert [message.key() for message in binary] == [message.key() for message in plain]


def test_a_schema_that_is_not_compatible_is_refused(kafka: Kafka, topic: str, registry: Registry) -> None:
    subject = f"{topic}-value"
    ask(f"{registry.url}/subjects/{subject}/versions", "POST", {"schema": SCHEMA.replace('"stars"', '"points"')})
    ask(f"{registry.url}/config/{subject}", "PUT", {"compatibility": "BACKWARD"})
    options = ["--bootstrap", kafka.bootstrap, "--topic", topic, "--format", "avro"]
    code, lines = refused(start(*options, SCHEMA_REGISTRY_URL=registry.url))
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"the schema registry at {registry.url} refuses the schema of {subject}: ")


def test_a_registry_that_is_not_there() -> None:
    with EmbeddedKafka() as kafka:
        options = ["--bootstrap", kafka.bootstrap, "--format", "avro"]
        code, lines = refused(start(*options, SCHEMA_REGISTRY_URL="http://127.0.0.1:1"))
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("the schema of ratings-value cannot be registered: schema registry http://127.0.0.1:1: ")


def test_options_of_what_is_generated(kafka: Kafka, topic: str) -> None:
    options = ["--time", "datagen", "--users", "100..199", "--first-id", 11, "--malformed", 10]
    ended = end(start("--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 0, "--count", 5000, *options))
    assert (ended.code, ended.delivered) == (0, 5000)
    messages = read(kafka.bootstrap, topic)
    assert [int(message.key() or b"") for message in messages] == list(range(11, 5011))
    malformed = [int(message.key() or b"") for message in messages if not decodes(message)]
    assert malformed == list(range(20, 5011, 10))
    ratings = [decode(message) for message in messages if decodes(message)]
    assert [rating.rating_time for rating in ratings[:3]] == [121, 133, 145]
    assert {rating.user_id for rating in ratings} == set(range(100, 200))


def decodes(message: Message) -> Rating | None:
    try:
        return decode(message)
    except DecodeError:
        return None


def test_the_rate_is_kept(kafka: Kafka, topic: str) -> None:
    ended = end(start("--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 2000, "--count", 8000))
    assert (ended.code, ended.delivered) == (0, 8000)
    assert 4.0 <= ended.seconds < 5.0  # a busy machine may be late, never early
    times = [message.timestamp()[1] for message in read(kafka.bootstrap, topic)]
    assert times[4000] - times[0] == pytest.approx(2000, rel=0.25)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_everything_delivered(kafka: Kafka, topic: str, number: signal.Signals) -> None:
    process = start("--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 5000)
    until_written(kafka.bootstrap, topic)
    process.send_signal(number)
    ended = end(process)
    assert (ended.code, ended.failed, ended.errors) == (0, 0, "")
    assert [int(message.key() or b"") for message in read(kafka.bootstrap, topic)] == list(
        range(1, ended.delivered + 1)
    )


def test_a_full_queue_is_waited_for(kafka: Kafka, topic: str) -> None:
    options = ["--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 0, "--count", 20_000]
    ended = end(start(*options, KAFKA_QUEUE_BUFFERING_MAX_MESSAGES="500"))
    assert (ended.code, ended.delivered, ended.failed) == (0, 20_000, 0)
    assert len(read(kafka.bootstrap, topic)) == 20_000


def test_a_topic_that_the_broker_creates_by_itself(kafka: Kafka, topics: Callable[[str], str]) -> None:
    topic = topics("made-by-the-broker")
    ended = end(start("--bootstrap", kafka.bootstrap, "--topic", topic, "--rate", 0, "--count", 10))
    assert (ended.code, ended.delivered) == (0, 10)
    assert len(read(kafka.bootstrap, topic)) == 10


@pytest.fixture(scope="module")
def strict_kafka(kafka_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A Kafka that creates no topics by itself."""
    with Kafka(tmp_path_factory.mktemp("strict")) as kafka:
        kafka.stop()
        settings = kafka.folder / "server.properties"
        text = settings.read_text()
        settings.write_text(text.replace("auto.create.topics.enable=true", "auto.create.topics.enable=false"))
        kafka.start()
        yield kafka


@pytest.mark.parametrize(
    ("topic", "said"), [("absent", "topic absent does not exist at "), ("no topic", "Invalid topic")]
)
def test_a_topic_that_is_not_there(strict_kafka: Kafka, topic: str, said: str) -> None:
    code, lines = refused(start("--bootstrap", strict_kafka.bootstrap, "--topic", topic))
    assert (code, len(lines)) == (1, 1)
    assert said in lines[0]
    assert strict_kafka.bootstrap in lines[0]


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        ((), {"STARTUP_TIMEOUT_SECONDS": "1"}, "Kafka at 127.0.0.1:1 is not there after 1 s: "),
        ((), {"KAFKA_ACKS": "0"}, "KAFKA_ACKS: "),
        ((), {"KAFKA_NO_SUCH": "1"}, 'KAFKA_NO_SUCH: No such configuration property: "no.such"'),
        (("--format", "avro"), {}, "--format avro needs a schema registry: SCHEMA_REGISTRY_URL is not set"),
        (("--format", "avro"), {"SCHEMA_REGISTRY_URL": "8081"}, "SCHEMA_REGISTRY_URL is '8081', but"),
        ((), {"RATINGS_TOPIC": "no topic"}, "RATINGS_TOPIC is 'no topic', but"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(
    options: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    began = time.monotonic()
    code, lines = refused(start("--bootstrap", "127.0.0.1:1", *options, **environment))
    assert (code, len(lines)) == (1, 1)
    assert re.match(said, lines[0])
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "options",
    [
        ("--rate", "-1"),
        ("--rate", "nan"),
        ("--count", "0"),
        ("--users", "7"),
        ("--users", "9..7"),
        ("--users", "0..4294967296"),
        ("--malformed", "0"),
        ("--first-id", "0"),
        ("--format", "xml"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str, str]) -> None:
    code, lines = refused(start(*options))
    assert code == 2
    assert f"argument {options[0]}: " in lines[-1]


def test_ctrl_c_while_kafka_is_waited_for() -> None:
    process = start("--bootstrap", "127.0.0.1:1")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for Kafka at 127.0.0.1:1: ")
    process.send_signal(signal.SIGINT)
    ended = end(process)
    assert (ended.code, ended.delivered, ended.failed) == (0, 0, 0)


def test_what_is_not_delivered_is_counted() -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 1)
        process = start("--bootstrap", kafka.bootstrap, "--rate", 300, "--count", 2000, KAFKA_MESSAGE_TIMEOUT_MS="1500")
        until_written(kafka.bootstrap, "ratings")
        kafka.broker_down()
        ended = end(process)
        kafka.broker_up()
        written = len(read(kafka.bootstrap, "ratings"))
    assert ended.code == 1
    assert ended.delivered + ended.failed == 2000
    assert ended.failed > 100
    assert 100 <= ended.delivered <= written  # what was written last may not have been acknowledged
    why = re.escape(f"{ended.failed} ratings were not delivered: Local: Message timed out") + " .*refused.*\n"
    assert re.fullmatch(why, ended.errors), ended.errors


def test_a_second_signal_ends_it_at_once() -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 1)
        process = start("--bootstrap", kafka.bootstrap, "--rate", 500)
        until_written(kafka.bootstrap, "ratings")
        kafka.broker_down()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        ended = end(process)
    assert time.monotonic() - began < 5
    assert ended.code == 1
    assert ended.failed > 0
    assert ended.errors.endswith("stopped at once, without waiting for what was under way\n")


def test_a_terminal_shows_one_line_that_changes() -> None:
    ours, theirs = pty.openpty()
    with EmbeddedKafka() as kafka:
        kafka.create_topic("ratings", 1)
        command = [sys.executable, "-m", "demo.generate", "--bootstrap", kafka.bootstrap, "--rate", "100"]
        process = subprocess.run(
            [*command, "--count", "320"],
            cwd=ROOT,
            stderr=theirs,
            capture_output=False,
            stdout=subprocess.PIPE,
            check=True,
        )
        os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\n" not in shown
    pictures = shown.split("\r\x1b[K")
    assert len(pictures) >= 4  # nothing, two seconds or more, and nothing again
    assert [pictures[0], pictures[-1]] == ["", ""]
    assert all(re.fullmatch(r"ratings \d+  \d+/s  queued \d+  failed 0", picture) for picture in pictures[1:-1])
    assert ACCOUNT.fullmatch(process.stdout.decode().strip())
