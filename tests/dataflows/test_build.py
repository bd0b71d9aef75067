"""The graph of production between a list of messages and three lists: what goes in, and what comes out."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bytewax.testing import TestingSink, TestingSource, cluster_main

from dataflows import ratings
from dataflows.ports import Messages, Ports
from dataflows.ratings import build
from dataflows.wiring.ratings import ask
from messages.message import Poll
from operators.limit import FailureLimit
from servers.embedded.messages import message
from settings import Settings
from sinks.errors import Refused
from sinks.kafka import Key

Written = tuple[bytes | None, bytes | None]
"""Key and value."""


class Outputs(NamedTuple):
    """What was written, in the order of the records that it came from."""

    enriched: list[tuple[str, dict[str, Any]]]
    alerts: list[tuple[str, dict[str, Any]]]
    dead_letters: list[tuple[str, dict[str, Any]]]
    messages: list[tuple[Key, bytes]]
    further: dict[str, list[Messages]]
    """Of alerts on topics of their own, by topic."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No settings but those of the test."""
    for variable in list(os.environ):
        if variable.startswith(("KAFKA_", "UNMATCHED", "ALERT", "TEST_CHANNEL")) or variable.endswith("_TOPIC"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("UNMATCHED_GRACE_SECONDS", "3600")
    return monkeypatch


def run(
    turns: Iterable[tuple[list[Written], list[Written]]],
    *,
    workers: int = 1,
    pause: float = 0,
    on_loaded: Callable[[], None] = lambda: None,
    topics: Sequence[str] = (),
) -> Outputs:
    """Run the main job over turns of (changes of customers, ratings).

    Each turn is an epoch: what is in it is through before the next begins. The first one's customers are those that
    there were at the start.
    """
    customers: list[Any] = []
    rated: list[Any] = []
    partitions = {"asgard.demo.CUSTOMERS": 0, "ratings": 3}
    offsets = dict.fromkeys(partitions, 0)
    for number, turn in enumerate(turns):
        for polls, (topic, partition), written in zip((customers, rated), partitions.items(), turn, strict=True):
            messages = [
                message(value, key, topic=topic, partition=partition, offset=offset, timestamp=1_000 + offset)
                for offset, (key, value) in enumerate(written, offsets[topic])
            ]
            offsets[topic] += len(messages)
            polls.append(Poll(topic, partition, messages, 1 if polls is customers and number == 0 else None))
    end = [TestingSource.PAUSE(timedelta(seconds=pause))] if pause else []
    enriched: list[Messages] = []
    alerts: list[Messages] = []
    further: dict[str, list[Messages]] = {topic: [] for topic in topics}
    dead_letters: list[Messages] = []
    ports = Ports(
        ratings=TestingSource(rated + end),
        customers=TestingSource(customers + end),
        enriched=TestingSink(enriched),
        alerts={topic: TestingSink(out) for topic, out in {"UNHAPPY_PLATINUM_CUSTOMERS": alerts, **further}.items()},
        dead_letters=TestingSink(dead_letters),
        customers_loaded=on_loaded,
    )
    flow = build(ports, Settings.load())
    cluster_main(flow, [], 0, worker_count_per_proc=workers, epoch_interval=timedelta(0))
    return Outputs(
        read(enriched, "source_offset"),
        read(alerts, "source_offset"),
        read(dead_letters, "topic", "offset"),
        [(record.key, record.value) for _, records in enriched + alerts + dead_letters for record in records],
        further,
    )


def read(written: list[Messages], *order: str) -> list[tuple[str, dict[str, Any]]]:
    records = [(str(message.key), json.loads(message.value)) for _, messages in written for message in messages]
    return sorted(records, key=lambda record: [record[1][name] for name in order])


def to_json(**fields: Any) -> Written:
    return None, json.dumps(fields).encode()


def customer(number: int, first: str | None, last: str | None, status: str | None) -> Written:
    return to_json(id=number, first_name=first, last_name=last, email=f"{number}@example.com", club_status=status)


def a_rating(user: int, stars: int | None, channel: str | None = "web", **more: Any) -> Written:
    return to_json(rating_id=1000 + user, user_id=user, stars=stars, channel=channel, **more)


# The story: turns of changes and ratings. Offsets of ratings on the right.
STORY: list[tuple[list[Written], list[Written]]] = [
    (
        [
            customer(1, "Zoë", "O'Neil 😀", "gold"),
            customer(2, "Bo", "Wei", "platinum"),
            customer(3, None, None, "PLATINUM"),
            customer(4, "", "Ñañez", "Platinum"),
            (b'{"databaseName":"demo"}', b'{"databaseName":"demo","ddl":"ALTER TABLE","tableChanges":[]}'),
        ],
        [a_rating(1, 1, message="“meh”", route_id=6975, rating_time=1519304105213)],  # 0
    ),
    (
        [(None, json.dumps({"before": None, "after": {"id": 1, "club_status": "platinum"}, "op": "u"}).encode())],
        [],
    ),
    (
        [],
        [
            a_rating(1, 2),  # 1
            a_rating(1, 3),
            a_rating(1, None),
            a_rating(1, 1, "iOS-test"),
            a_rating(1, 1, "TESTING"),
            a_rating(1, 1, None),  # 6
            a_rating(3, 1),
            a_rating(4, 0, "ios"),  # 8
            a_rating(6, 1),
            a_rating(7, 1),  # 10
            a_rating(6, 4),
        ],
    ),
    ([customer(6, "Dana", None, "platinum"), (b'{"id":2}', None)], [(b"5", b'{"rating_id":5,"stars":1}')]),  # 12
    ([(b'{"id":8}', b'{"id":8,"email":5}'), (b"9", b"\xff")], [(None, None), a_rating(6, 2)]),  # 13, 14
    ([customer(7, "Eve", None, "silver")], []),
]


COLUMNS = ("first_name", "last_name", "full_name", "email", "club_status")
NOT_IN_ALERTS = ("route_id", "rating_time", "first_name", "last_name", "region")


def enriched(user: int, offset: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    names = ("stars", "route_id", "rating_time", "message", "region", *COLUMNS)
    where = {"rating_ts": 1000 + offset, "source_partition": 3, "source_offset": offset}
    ids = {"rating_id": 1000 + user, "user_id": user}
    return str(user), {**ids, **dict.fromkeys(names), "channel": "web", **where, **fields}


ONE = {"club_status": "platinum"}
SIX = {"first_name": "Dana", "full_name": "Dana", "email": "6@example.com", "club_status": "platinum"}
ENRICHED = [
    enriched(
        1,
        0,
        stars=1,
        message="“meh”",
        route_id=6975,
        rating_time=1519304105213,
        first_name="Zoë",
        last_name="O'Neil 😀",
        full_name="Zoë O'Neil 😀",
        email="1@example.com",
        club_status="gold",
    ),
    enriched(1, 1, stars=2, **ONE),
    enriched(1, 2, stars=3, **ONE),
    enriched(1, 3, stars=None, **ONE),
    enriched(1, 4, stars=1, channel="iOS-test", **ONE),
    enriched(1, 5, stars=1, channel="TESTING", **ONE),
    enriched(1, 6, stars=1, channel=None, **ONE),
    enriched(3, 7, stars=1, email="3@example.com", club_status="PLATINUM"),
    enriched(
        4,
        8,
        stars=0,
        channel="ios",
        first_name="",
        last_name="Ñañez",
        full_name="Ñañez",
        email="4@example.com",
        club_status="Platinum",
    ),
    enriched(6, 9, stars=1, **SIX),
    enriched(7, 10, stars=1, first_name="Eve", full_name="Eve", email="7@example.com", club_status="silver"),
    enriched(6, 11, stars=4, **SIX),
    enriched(6, 14, stars=2, **SIX),
]
ALERTS = [1, 6, 7, 8, 9, 14]
"""The offsets of the ratings that call for one."""


def alert(record: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    key, value, *_ = record
    fields = {name: field for name, field in value.items() if name not in NOT_IN_ALERTS}
    return key, {**fields, "rule": "unhappy-platinum"}


def letter(topic: str, offset: int, key: str | None, value: str | None, error: str, why: str) -> tuple[str, Any]:
    step, partition = ("decode_ratings", 3) if topic == "ratings" else ("decode_customers", 0)
    where = {"topic": topic, "partition": partition, "offset": offset, "timestamp": 1000 + offset}
    return f"{topic}-{partition}-{offset}", {
        **where,
        "key": key,
        "value": value,
        "step": step,
        "error": error,
        "message": why,
        "output": None,
        "destination": None,
    }


DEAD_LETTERS = [
    letter(
        "asgard.demo.CUSTOMERS",
        8,
        "eyJpZCI6OH0=",
        "eyJpZCI6OCwiZW1haWwiOjV9",
        "InvalidRecord",
        "field email must be text or null, not a whole number",
    ),
    letter(
        "asgard.demo.CUSTOMERS", 9, "OQ==", "/w==", "NotUtf8", "the value is not UTF-8: invalid start byte at byte 0"
    ),
    letter("ratings", 12, "NQ==", "eyJyYXRpbmdfaWQiOjUsInN0YXJzIjoxfQ==", "InvalidRecord", "field user_id is missing"),
    letter("ratings", 13, None, None, "EmptyValue", "the value is null: a rating cannot be deleted"),
]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_story(workers: int) -> None:
    outputs = run(STORY, workers=workers)
    assert outputs.enriched == ENRICHED
    assert outputs.alerts == [alert(record) for record in ENRICHED if record[1]["source_offset"] in ALERTS]
    assert outputs.dead_letters == DEAD_LETTERS


def test_the_bytes() -> None:
    assert run(
        [
            (
                [customer(4, "", "Ñañez 😀", "platinum")],
                [a_rating(4, 1, message='"', rating_time=13), (b"\x00", b"[1]")],
            )
        ]
    ).messages == [
        (
            "4",
            '{"rating_id":1004,"user_id":4,"stars":1,"route_id":null,"rating_time":13,"channel":"web","message":"\\"",'
            '"rating_ts":1000,"source_partition":3,"source_offset":0,"first_name":"","last_name":"Ñañez 😀",'
            '"full_name":"Ñañez 😀","email":"4@example.com","club_status":"platinum","region":null}'.encode(),
        ),
        (
            "4",
            '{"rating_id":1004,"user_id":4,"full_name":"Ñañez 😀","email":"4@example.com","club_status":"platinum",'
            '"stars":1,"channel":"web","message":"\\"","rating_ts":1000,"source_partition":3,"source_offset":0,'
            '"rule":"unhappy-platinum"}'.encode(),
        ),
        (
            "ratings-3-1",
            b'{"topic":"ratings","partition":3,"offset":1,"timestamp":1001,"key":"AA==","value":"WzFd",'
            b'"step":"decode_ratings","error":"InvalidRecord","message":"the record must be an object, not a list",'
            b'"output":null,"destination":null}',
        ),
    ]


@pytest.mark.parametrize("grace", ["0", "0.05"])
@pytest.mark.parametrize(
    ("policy", "offsets", "letters"),
    [("emit", [0, 1, 2, 3], []), ("drop", [0], []), ("dead-letter", [0], [1, 2, 3])],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_ratings_without_a_customer(
    environment: pytest.MonkeyPatch, policy: str, grace: str, offsets: list[int], letters: list[int], workers: int
) -> None:
    environment.setenv("UNMATCHED", policy)
    environment.setenv("UNMATCHED_GRACE_SECONDS", grace)
    environment.setenv("RATINGS_TOPIC", "ratings")
    outputs = run(
        [
            ([customer(1, "Zoë", None, "platinum"), customer(2, "Bo", None, "platinum")], [a_rating(1, 1)]),
            ([(b"1", b"null"), (b"2", None)], []),
            ([], [a_rating(1, 1), a_rating(-77, 1), (b"a key", a_rating(2, 1)[1])]),
        ],
        pause=0.25,
        workers=workers,
    )
    written = [
        enriched(1, 0, stars=1, first_name="Zoë", full_name="Zoë", email="1@example.com", club_status="platinum"),
        enriched(1, 1, stars=1),
        enriched(-77, 2, stars=1),
        enriched(2, 3, stars=1),
    ]
    assert outputs.enriched == [written[offset] for offset in offsets]
    assert outputs.alerts == [alert(written[0])]  # who is not known is not known to be platinum
    assert [(key, value["message"]) for key, value in outputs.dead_letters] == [
        (f"ratings-3-{offset}", f"no customer has the id {written[offset][0]}") for offset in letters
    ]
    if letters:
        assert outputs.dead_letters[-1][1] == {
            "topic": "ratings",
            "partition": 3,
            "offset": 3,
            "timestamp": 1003,
            "key": "YSBrZXk=",
            "value": "eyJyYXRpbmdfaWQiOiAxMDAyLCAidXNlcl9pZCI6IDIsICJzdGFycyI6IDEsICJjaGFubmVsIjogIndlYiJ9",
            "step": "join",
            "error": "UnknownCustomer",
            "message": "no customer has the id 2",
            "output": None,
            "destination": None,
        }


RATED = [(1, 1, "web"), (1, 2, "web"), (1, 3, "web"), (2, 1, "web"), (3, 1, "web"), (1, 1, "iOS-test"), (1, 2, None)]
PEOPLE = [customer(1, "Zoë", None, "Platinum"), customer(2, "Bo", None, "gold"), customer(3, "Eve", None, None)]


def test_which_ratings_are_alerts_by_default() -> None:
    outputs = run([(PEOPLE, [a_rating(*one) for one in RATED])])
    found = [(value["user_id"], value["stars"], value["channel"], value["rule"]) for _, value in outputs.alerts]
    assert found == [
        (1, 1, "web", "unhappy-platinum"),
        (1, 2, "web", "unhappy-platinum"),
        (1, 2, None, "unhappy-platinum"),
    ]


def test_a_rating_is_an_alert_of_each_rule_that_it_meets(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        """
        [[rules]]
        name = "unhappy"
        where = "STARS < 2"
        columns = ["stars"]
        [[rules]]
        name = "of.nobody"
        where = "full_name IS NULL OR CAST(channel AS BIGINT) = 3"
        topic = "strange"
        [[rules]]
        name = "gold"
        where = "club_status = 'gold'"
        columns = ["full_name", "user_id"]
        """
    )
    environment.setenv("ALERT_RULES", str(file))
    outputs = run([(PEOPLE, [a_rating(2, 1), a_rating(1, 2, "3"), a_rating(1, 1, None)])], topics=["strange"])
    assert len(outputs.enriched) == 3
    expected: list[tuple[int, dict[str, Any], int, str]] = [
        (1002, {"stars": 1}, 0, "unhappy"),
        (1002, {"full_name": "Bo", "user_id": 2}, 0, "gold"),
        (1001, {"stars": 1}, 2, "unhappy"),
    ]
    assert [value for _, value in outputs.alerts] == [
        {
            "rating_id": number,
            **fields,
            "rating_ts": 1000 + offset,
            "source_partition": 3,
            "source_offset": offset,
            "rule": rule,
        }
        for number, fields, offset, rule in expected
    ]
    assert [json.loads(message.value)["channel"] for _, batch in outputs.further["strange"] for message in batch] == [
        "3"
    ]
    ((_, letter),) = outputs.dead_letters
    assert (letter["step"], letter["error"], letter["message"].partition(";")[0]) == (
        "rule:of:nobody",
        "ValueError",
        "'web' is no number",
    )


def test_what_waits_is_bounded(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("UNMATCHED_MAX_HELD", "32")  # two a key group
    outputs = run([([], [a_rating(16 * number, 1) for number in range(5)] + [a_rating(1, 1)])])
    assert [value["user_id"] for _, value in outputs.enriched] == [0, 16, 32]


def test_the_source_of_ratings_learns_when_the_customers_are_loaded() -> None:
    times: list[int] = []
    run(STORY, on_loaded=lambda: times.append(1))
    assert len(times) == 16  # once a key group


# The module.


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def python(code: str, server: socket.socket) -> subprocess.CompletedProcess[str]:
    variables = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{server.getsockname()[1]}",
        "STARTUP_TIMEOUT_SECONDS": "1",
    }
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)


def test_importing_the_module_connects_to_nothing(silent_server: socket.socket) -> None:
    done = python("import dataflows.ratings; print('flow' in vars(dataflows.ratings))", silent_server)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    with pytest.raises(BlockingIOError):
        silent_server.accept()


def test_importing_the_module_loads_no_client_library_of_a_branch(silent_server: socket.socket) -> None:
    loaded = python("import sys, dataflows.ratings; print({'elasticsearch', 'boto3'} & {*sys.modules})", silent_server)
    assert loaded.stdout == "set()\n"


def test_the_flow_is_made_when_it_is_asked_for(silent_server: socket.socket) -> None:
    done = python("import dataflows.ratings; dataflows.ratings.flow", silent_server)
    silent_server.accept()[0].close()
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert last.startswith(f"ratings: Kafka at 127.0.0.1:{silent_server.getsockname()[1]} is not there after 1 s: ")


def test_the_module_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'flows'"):
        ratings.flows  # noqa: B018


def test_too_many_refusals_of_a_destination_are_an_error_of_its_sink() -> None:
    limit = FailureLimit(1, 3)
    ask(limit, 0, [("TooLong", "why")] * 3)
    with pytest.raises(Refused, match=r"^4 records in a row became dead letters, .* TooLong \(4\), for example why$"):
        ask(limit, 0, [("TooLong", "why")])
