"""The real Kafka Connect with Debezium: the forms it writes, what it keeps, and what it refuses."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]  # public, not re-exported

from servers.connect import Connect
from servers.debezium import Form
from servers.job import piped
from servers.kafka import Kafka
from servers.mariadb import MariaDB
from servers.process import ROOT, free_ports
from servers.registry import Registry, native
from servers.seed import SEED_CUSTOMERS
from servers.topics import Reader, count

SECONDS = 30.0
ALL = len(SEED_CUSTOMERS)


def read(kafka: Kafka, topic: str, count: int) -> list[tuple[bytes | None, bytes | None]]:
    """The first `count` keys and values of a topic of one partition; fewer if no more come in time."""
    with Reader(kafka.bootstrap, topic) as reader:
        return [(message.key(), message.value()) for message in reader.take(count, SECONDS)[:count]]


@pytest.fixture(scope="module")
def own_mariadb(mariadb_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    with MariaDB(tmp_path_factory.mktemp("own-mariadb")) as mariadb:
        yield mariadb


@pytest.fixture(scope="module")
def own_connect(
    connect_runs_here: None,
    kafka: Kafka,
    own_mariadb: MariaDB,
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Connect]:
    with Connect(tmp_path_factory.mktemp("own-connect"), kafka, own_mariadb, registry) as connect:
        yield connect


# By form: the key and the value of customer 1, and the values that a deleted one leaves; as patterns, None a tombstone.
# An Avro frame's group is the schema's id.
FORMS: list[tuple[Form, bytes, bytes, list[bytes | None]]] = [
    ("flattened", rb'{"id":1}', rb'{"id":1,"first_name":"Rica",.*}', [rb"null"]),
    (
        "flattened-schemas",
        rb'{"schema":{.*},"payload":{"id":1}}',
        rb'{"schema":{.*},"payload":{"id":1,"first_name":"Rica",.*}}',
        [rb'{"schema":{.*},"payload":null}'],
    ),
    (
        "envelope",
        rb'{"id":1}',
        rb'{"before":null,"after":{"id":1,"first_name":"Rica",.*},.*"op":"r",.*}',
        [rb'{"before":{"id":8,.*},"after":null,.*"op":"d",.*}', None],
    ),
    ("envelope-avro", rb"\0(....)\x02", rb"\0(....)\0\x02\x02\x02\x08Rica.*", [rb"\0(....)\x02\x10.*", None]),
    ("flattened-avro", rb"\0(....)\x02", rb"\0(....)\x02\x02\x08Rica.*", [None]),
]


@pytest.mark.parametrize(("form", "key", "value", "deleted"), FORMS, ids=[form for form, *_ in FORMS])
def test_forms(
    kafka: Kafka,
    mariadb: MariaDB,
    registry: Registry,
    connect: Connect,
    topics: Callable[[str], str],
    form: Form,
    key: bytes,
    value: bytes,
    deleted: list[bytes | None],
) -> None:
    mariadb.seed()
    prefix = topics(form)
    topic = connect.register(form, prefix=prefix, partitions=1)
    mariadb.execute("DELETE FROM CUSTOMERS WHERE id = 8")
    changes = read(kafka, topic, ALL + len(deleted))
    connect.unregister(prefix)
    found = [*changes[0], *(value for _, value in changes[ALL:])]
    schemas = [
        schema for pattern, text in zip([key, value, *deleted], found, strict=True) for schema in match(pattern, text)
    ]
    for schema in schemas:
        with urlopen(f"{registry.url}/schemas/ids/{int.from_bytes(schema, 'big')}") as answer:  # noqa: S310
            assert json.load(answer)["schema"]


def match(pattern: bytes | None, found: bytes | None) -> tuple[bytes, ...]:
    """The groups of a pattern in what was found; fails where they do not match."""
    if pattern is None or found is None:
        assert pattern is found
        return ()
    matched = re.fullmatch(pattern, found, re.DOTALL)
    assert matched, found
    return matched.groups()


def test_a_topic_has_the_partitions_asked_for_and_is_compacted(
    kafka: Kafka, mariadb: MariaDB, connect: Connect, topics: Callable[[str], str]
) -> None:
    mariadb.seed()
    prefix = topics("three")
    topic = connect.register("flattened", prefix=prefix, partitions=3)
    connect.unregister(prefix)
    admin = kafka.admin()
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    assert admin.describe_configs([resource])[resource].result()["cleanup.policy"].value == "compact"


def test_another_form_goes_on_where_the_one_before_was(
    kafka: Kafka, own_mariadb: MariaDB, own_connect: Connect, topics: Callable[[str], str]
) -> None:
    prefix = topics("mixture")
    topic = own_connect.register("flattened", prefix=prefix, partitions=1)
    own_connect.register("flattened", prefix=prefix)
    own_connect.register("envelope", prefix=prefix)
    own_mariadb.execute("UPDATE CUSTOMERS SET comments = 'mixed' WHERE id = 1")
    values = [json.loads(value or b"") for _, value in read(kafka, topic, ALL + 1)]
    own_connect.unregister(prefix)
    assert [value["id"] for value in values[:ALL]] == [customer.id for customer in SEED_CUSTOMERS]
    assert values[ALL]["after"]["comments"] == "mixed"


def test_nothing_is_lost_by_kills(
    kafka: Kafka, own_mariadb: MariaDB, own_connect: Connect, topics: Callable[[str], str]
) -> None:
    prefix = topics("kills")
    topic = own_connect.register("flattened", prefix=prefix, partitions=1)

    def update_and_read(comments: str, count: int) -> list[str | None]:
        own_mariadb.execute("UPDATE CUSTOMERS SET comments = %s WHERE id = 20", comments)
        if not own_connect.running():
            own_connect.start()
        return [json.loads(value or b"")["comments"] for _, value in read(kafka, topic, count)[ALL:]]

    own_connect.kill()
    assert not own_connect.running()
    # It goes on from its offsets: there is no second snapshot.
    assert update_and_read("while Connect was down", ALL + 1) == ["while Connect was down"]
    own_mariadb.kill()
    own_mariadb.start()
    assert update_and_read("after a kill of MariaDB", ALL + 2)[1:] == ["after a kill of MariaDB"]
    own_connect.unregister(prefix)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"database.password": "wrong"}, "answers PUT .* with 400: .*Access denied for user 'dbz'"),
        ({"transforms.unwrap.type": "nonsense"}, "answers PUT .* with 400: .*Class nonsense could not be found"),
        ({"snapshot.mode": "never"}, r"(?s)failed:.*DebeziumException.*\n\tat "),
    ],
)
def test_a_bad_configuration_says_why(
    own_connect: Connect, topics: Callable[[str], str], settings: dict[str, str], reason: str
) -> None:
    prefix = topics("bad")
    with pytest.raises(RuntimeError, match=reason):
        own_connect.register("flattened", prefix=prefix, partitions=1, settings=settings)
    if prefix in own_connect.connectors():
        own_connect.unregister(prefix)


def test_the_connector_of_compose_is_put_by_its_command(
    kafka: Kafka, mariadb: MariaDB, registry: Registry, connect: Connect, topics: Callable[[str], str], tmp_path: Path
) -> None:
    mariadb.seed()
    prefix = topics("composed")
    kafka.create_topic(f"{prefix}.demo.CUSTOMERS", 1, cleanup_policy="compact")
    config = (ROOT / "compose" / "customers.json").read_text()
    for there, here in {
        '"mariadb"': '"127.0.0.1"',
        "3306": str(mariadb.port),
        "kafka:9092": kafka.bootstrap,
        "http://registry:8080/apis/registry/v2": native(registry.url),
        "asgard": prefix,
        "1948923869": "7",
    }.items():
        config = config.replace(there, here)
    file = tmp_path / "customers.json"
    file.write_text(config)
    for _ in range(2):
        process = piped("servers.connectors", connect.url, prefix, str(file))
        out, errors = process.communicate(timeout=4 * SECONDS)
        assert (process.returncode, errors) == (0, "")
        assert out == f"the connector {prefix} runs, and has written its table\n"
    connect.delete(prefix)
    assert count(kafka.bootstrap, f"{prefix}.demo.CUSTOMERS") == ALL


@pytest.mark.parametrize(("content", "reason"), [("{}", "Connection refused"), ("{", "Expecting property name")])
def test_a_command_that_puts_nothing_says_why(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "connector.json"
    file.write_text(content)
    (port,) = free_ports(1)
    process = piped("servers.connectors", f"http://127.0.0.1:{port}", "nothing", str(file))
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors.startswith("no connector nothing: ")
    assert reason in errors
    assert errors.count("\n") == 1


def test_a_failed_start_shows_the_log(
    connect_runs_here: None, kafka: Kafka, mariadb: MariaDB, registry: Registry, tmp_path: Path
) -> None:
    connect = Connect(tmp_path, kafka, mariadb, registry)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(connect.url.rpartition(":")[2])))
        with pytest.raises(
            RuntimeError, match=r"(?is)ended while starting.*connect.log ends with.*address already in use"
        ):
            connect.start()
    assert not connect.running()
