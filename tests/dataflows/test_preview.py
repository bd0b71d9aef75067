"""The preview of a rule, used as a person does: by its command."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from records.customer import Customer
from records.enriched import NOBODY, Match, encode_matches
from records.enriched_avro import EnrichedAvro
from records.rating import Rating
from servers.embedded.kafka import EmbeddedKafka
from servers.job import environment, piped
from servers.kafka import Kafka
from servers.process import ROOT
from servers.topics import Record, write

TOPIC = "ratings-with-customer-data"
HOUR = 3_600_000
NOON = 1_780_315_200_000
ADA = Customer("Ada", "Byron", "Ada Byron", "ada@example.com", "platinum", None)
HOSTILE = "\x1b[2J\x1b]0;owned\x07\nsecond line\t\u202e<!channel>"


def match(number: int, stars: int | None, customer: Customer = ADA, **fields: Any) -> Match:
    rating = Rating(number, 7, stars, 1, 1, fields.get("channel", "web"), fields.get("message", "meh"))
    rating.rating_ts, rating.source_partition, rating.source_offset = NOON + number * HOUR, 0, number
    return Match(rating, customer)


MATCHES = [
    match(0, 1),
    match(1, 4),
    match(2, 2, NOBODY),
    match(3, 2, message=HOSTILE),
    match(4, None),
    match(5, 1, channel="x" * 50),
    match(6, 3),
]


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    with EmbeddedKafka() as kafka:
        kafka.create_topic(TOPIC, partitions=2)
        json_records = [Record(None, one.value, 0) for one in encode_matches(MATCHES[:4])]
        avro_records = [Record(None, one.value, 1) for one in EnrichedAvro(3).encode(MATCHES[4:])]
        write(kafka.bootstrap, TOPIC, [*json_records, *avro_records, Record(None, b"junk", 0), Record(None, None, 1)])
        yield kafka.bootstrap


def run(bootstrap: str, *arguments: str, **settings: str) -> tuple[int, list[str], str]:
    """The exit code, the lines of the output, and what was written to the error output."""
    command = piped("dataflows.preview", *arguments, KAFKA_BOOTSTRAP_SERVERS=bootstrap, **settings)
    try:
        output, errors = command.communicate(timeout=60)
    finally:
        command.kill()
    return command.returncode, output.splitlines(), errors


def test_the_matches_are_a_table(bootstrap: str) -> None:
    code, lines, errors = run(bootstrap, "STARS < 3 AND club_status = 'platinum'")
    assert (code, errors) == (0, "")
    header, *table, closing = lines
    assert header.split() == ["rating_ts", "stars", "full_name", "club_status", "channel", "message"]
    assert sorted(table) == [
        "2026-06-01 12:00:00  1      Ada Byron               platinum     web           meh",
        "2026-06-01 15:00:00  2      Ada Byron               platinum     web           "
        "�[2J�]0;owned��second line��<!channel>",
        f"2026-06-01 17:00:00  1      Ada Byron               platinum     {'x' * 11}…  meh",
    ]
    assert closing == "looked at 7 matched 3 a day 12.0 unreadable 2"


@pytest.mark.parametrize(
    ("arguments", "closing"),
    [
        (["stars IS NULL"], "looked at 7 matched 1 a day 4.0 unreadable 2"),
        (["--last", "2", "true"], "looked at 0 matched 0 a day unknown unreadable 2"),
        (["--last", "4", "stars < 9"], "looked at 2 matched 2 a day 16.0 unreadable 2"),
        (["--last", "0", "true"], "looked at 0 matched 0 a day unknown"),
        (["CAST(channel AS BIGINT) = 1"], "looked at 7 matched 0 a day 0.0 failed 7 unreadable 2"),
    ],
)
def test_the_closing_line(bootstrap: str, arguments: list[str], closing: str) -> None:
    code, lines, errors = run(bootstrap, *arguments)
    assert (code, lines[-1], errors) == (0, closing, "")


def test_each_rule_of_a_file(bootstrap: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        "[[rules]]\nname = 'low'\nwhere = 'stars < 2'\n[[rules]]\nname = 'nobody'\nwhere = 'full_name IS NULL'\n"
    )
    code, lines, errors = run(bootstrap, "--rules", str(file))
    assert (code, errors) == (0, "")
    assert lines[0].startswith("rule                    rating_ts ")
    assert sorted(line.split()[0] for line in lines[1:-2]) == ["low", "low", "nobody"]
    assert lines[-2:] == [
        "low: looked at 7 matched 2 a day 8.0 unreadable 2",
        "nobody: looked at 7 matched 1 a day 4.0 unreadable 2",
    ]


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "line"),
    [
        (["star < 3"], {}, 2, "column 1: there is no column 'star': did you mean stars?"),
        (["stars <"], {}, 2, "column 7: something is missing at '<'"),
        (["__import__('os').system('id')"], {}, 2, "column "),
        ([""], {}, 2, "column 1: there is no condition"),
        (["--rules", "/nonexistent"], {}, 2, "ALERT_RULES is '/nonexistent', but it cannot be read: No such file"),
        (["true"], {"KAFKA_BOOTSTRAP_SERVERS": "x:y"}, 2, "KAFKA_BOOTSTRAP_SERVERS is 'x:y'"),
        (["true"], {"ENRICHED_TOPIC": "other"}, 1, "ENRICHED_TOPIC is 'other', but there is no such topic"),
        (["true"], {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "STARTUP_TIMEOUT_SECONDS": "1"}, 1, "Kafka at 127.0.0.1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    bootstrap: str, arguments: list[str], settings: dict[str, str], code: int, line: str
) -> None:
    variables = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, **settings}
    found = run(variables.pop("KAFKA_BOOTSTRAP_SERVERS"), *arguments, **variables)
    assert found[:2] == (code, [])
    assert found[2].startswith(f"preview: {line}"), found[2]
    assert found[2].count("\n") == 1


def test_it_follows_until_ctrl_c() -> None:
    with EmbeddedKafka() as kafka:
        kafka.create_topic(TOPIC, partitions=1)
        arguments = ("stars < 3", "--last", "0", "--follow")
        command = piped("dataflows.preview", *arguments, KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap)
        assert command.stdout is not None
        try:
            assert command.stdout.readline().startswith("rating_ts")
            write(kafka.bootstrap, TOPIC, [(None, one.value) for one in encode_matches(MATCHES)])
            assert [command.stdout.readline()[:13] for _ in range(4)] == [
                "2026-06-01 12", "2026-06-01 14", "2026-06-01 15", "2026-06-01 17",
            ]  # fmt: skip
            command.send_signal(signal.SIGINT)
            output, errors = command.communicate(timeout=20)
        finally:
            command.kill()
        assert (command.returncode, output, errors) == (0, "looked at 7 matched 4 a day 16.0\n", "")


def test_a_pipe_that_closes_ends_it(bootstrap: str) -> None:
    line = f"set -o pipefail; {sys.executable} -m dataflows.preview true --follow | head -n 2"
    with EmbeddedKafka() as kafka:
        kafka.create_topic(TOPIC, partitions=1)
        values = [(None, one.value) for one in encode_matches(MATCHES)]
        write(kafka.bootstrap, TOPIC, values)
        variables = environment({"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap})
        with subprocess.Popen(
            ["bash", "-c", line], cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as command:
            deadline = time.monotonic() + 30
            while command.poll() is None and time.monotonic() < deadline:
                write(kafka.bootstrap, TOPIC, values)
                time.sleep(0.2)
            command.kill()
            assert command.stdout is not None
            assert command.stderr is not None
            assert (command.returncode, command.stderr.read()) == (0, "")
            assert len(command.stdout.read().splitlines()) == 2


def test_since_a_time(kafka: Kafka, names: dict[str, str]) -> None:
    kafka.create_topic(names["enriched"], partitions=2)
    values = [msgspec.json.decode(one.value) for one in encode_matches(MATCHES)]
    write(
        kafka.bootstrap,
        names["enriched"],
        [Record(None, json.dumps(value).encode(), at % 2, value["rating_ts"]) for at, value in enumerate(values)],
    )
    code, lines, errors = run(kafka.bootstrap, "true", "--since", "2026-06-01T15:00", ENRICHED_TOPIC=names["enriched"])
    assert (code, lines[-1], errors) == (0, "looked at 4 matched 4 a day 32.0", "")
