"""Dead letters that are sent again: what is decided of each, and on a real Kafka, across kills."""

import json
import random
import signal
import subprocess
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from dataflows.replay import Filters, Sorting, since
from dataflows.resend import Memory
from messages.dead_letter import DeadLetter, Refused, dead_letter, of_refused, to_message
from servers import topics
from servers.embedded.messages import message
from servers.job import Job, piped
from servers.kafka import Kafka
from servers.topics import Reader, Record
from tests.dataflows.world import Names
from tests.dataflows.world import settings as job_settings

NOW = datetime(2026, 11, 27, 12, tzinfo=timezone.utc)
NOON = round(NOW.timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1528800546808", 1528800546808),
        ("0", 0),
        ("2h", NOON - 7_200_000),
        ("30m", NOON - 1_800_000),
        ("45s", NOON - 45_000),
        ("1.5d", NOON - 129_600_000),
        ("2026-11-27", NOON - 12 * 3_600_000),
        ("2026-11-27T12:00", NOON),
        ("2026-11-27 12:00:01", NOON + 1000),
        ("2026-11-27T12:00:00Z", NOON),
        ("2026-11-27T13:00:00+01:00", NOON),
    ],
)
def test_since(text: str, milliseconds: int) -> None:
    assert since(text, NOW) == milliseconds


@pytest.mark.parametrize("text", ["", "yesterday", "2w", "-1h", "h", "2026-13-01", "1e3"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time"):
        since(text, NOW)


def letter(
    offset: int, *, topic: str = "ratings", step: str = "decode_ratings", value: bytes = b"v", **about: Any
) -> DeadLetter:
    """The dead letter of the record at this offset."""
    where = topic, 0, offset, 5
    return dead_letter(*where, b"k", value, step=step, **{"error": "NotJson", "message": "why", **about})


CUT, GONE = letter(8, value=b"v" * 1_000_000), letter(9, gone=True)


@pytest.mark.parametrize(
    ("letters", "filters", "due", "place", "tally"),
    [
        pytest.param([], Filters(), [], 0, "replayed 0 skipped 0 cannot 0", id="nothing"),
        pytest.param([letter(2), letter(1)], Filters(), [1, 2], 2, "replayed 2 skipped 0 cannot 0", id="in order"),
        pytest.param(
            [letter(1), letter(1, step="search"), letter(1)],
            Filters(),
            [1],
            3,
            "replayed 1 skipped 2 (2 sent before) cannot 0",
            id="a record of several letters is sent once",
        ),
        pytest.param(
            [letter(100)], Filters(), [], 1, "replayed 0 skipped 1 (1 sent before) cannot 0", id="sent earlier"
        ),
        pytest.param(
            [letter(1), letter(2, step="join"), letter(3)],
            Filters(step="decode_ratings"),
            [1, 3],
            1,
            "replayed 2 skipped 1 (1 passed over by the filters) cannot 0",
            id="by step: the place stays at what was passed over",
        ),
        pytest.param(
            [letter(1), letter(2, error="TooLarge")],
            Filters(error="TooLarge"),
            [2],
            0,
            "replayed 1 skipped 1 (1 passed over by the filters) cannot 0",
            id="by error",
        ),
        pytest.param(
            [letter(1), letter(2), letter(3)],
            Filters(since=1001),
            [2, 3],
            0,
            "replayed 2 skipped 1 (1 passed over by the filters) cannot 0",
            id="by time",
        ),
        pytest.param(
            [CUT, letter(1), GONE, None],
            Filters(),
            [1],
            4,
            "replayed 1 skipped 0 "
            "cannot 3 (1 was too large to be kept whole, 1 was gone from its topic, 1 is no dead letter)",
            id="what cannot be sent is dealt with",
        ),
        pytest.param(
            [letter(1, topic="others"), letter(2, topic="customers", step="decode_customers")],
            Filters(),
            [2],
            0,
            "replayed 1 skipped 1 (1 of topic others, which is no input or does not exist) cannot 0",
            id="of another topic",
        ),
    ],
)
def test_what_becomes_of_letters(
    letters: Sequence[DeadLetter | None], filters: Filters, due: list[int], place: int, tally: str
) -> None:
    memory = Memory("replayed", {})
    earlier = Sorting(Filters(), memory, {"ratings"}, {0: 0})
    earlier.sort([message(to_message(letter(100))[1])])
    messages = [
        message(None if one is None else to_message(one)[1], b"key", partition=0, offset=at, timestamp=1000 + at)
        for at, one in enumerate(letters)
    ]
    sorting = Sorting(filters, memory, {"ratings", "customers"}, {0: 0})
    found = sorting.sort(messages)
    sorting.settle(found, {})
    assert [one.original.offset for one in found] == due
    assert sorting.places == {0: place}
    assert sorting.tally.line("replayed") == tally


def test_a_letter_that_its_topic_refuses_is_left_to_the_next_run(capsys: pytest.CaptureFixture[str]) -> None:
    sorting = Sorting(Filters(), Memory("replayed", {}), {"ratings"}, {0: 0})
    due = sorting.sort([message(to_message(letter(7 + at))[1], b"k", partition=0, offset=at) for at in range(3)])
    sorting.settle(due, {("ratings", 0, 8, 5): "too large: 1 byte"})
    assert sorting.places == {0: 1}
    assert sorting.tally.line("replayed") == "replayed 2 skipped 0 cannot 1 (1 is refused by its topic)"
    assert (
        capsys.readouterr().err == "cannot replay k (dead letter 0-1): it is refused by its topic: too large: 1 byte\n"
    )


def test_the_table_of_a_dry_run() -> None:
    sorting = Sorting(Filters(), Memory("replayed", {}), {"ratings"}, {0: 0})
    letters = [letter(1), letter(2), letter(3, step="join", error="UnknownCustomer")]
    sorting.settle(sorting.sort([message(to_message(one)[1]) for one in letters]), {})
    assert sorting.tally.table().splitlines() == [
        "step           error           topic   letters",
        "decode_ratings NotJson         ratings 2",
        "join           UnknownCustomer ratings 1",
    ]


# On a real Kafka.


@pytest.fixture
def names(kafka: Kafka, names: Names) -> Names:
    kafka.create_topic(names["ratings"], partitions=3, retention_ms=-1)  # some are older than the default
    kafka.create_topic(names["customers"], partitions=1, cleanup_policy="compact")
    for output in ("enriched", "alerts", "dead_letters"):
        kafka.create_topic(names[output], partitions=2)
    return names


def settings(kafka: Kafka, names: Names, **more: str) -> dict[str, str]:
    return job_settings(names, kafka.bootstrap, **{"UNMATCHED_GRACE_SECONDS": "0", **more})


def start(kafka: Kafka, names: Names, *options: str, **more: str) -> "subprocess.Popen[str]":
    return piped("dataflows.replay", *options, **settings(kafka, names, **more))


def replay(kafka: Kafka, names: Names, *options: str, **more: str) -> list[str]:
    """Run it to its end: the lines of its output."""
    process = start(kafka, names, *options, **more)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out.splitlines()


def read(kafka: Kafka, topic: str) -> list[Message]:
    """All messages that are committed."""
    return list(topics.read(kafka.bootstrap, topic))


def write(kafka: Kafka, topic: str, *values: bytes | None, **options: Any) -> None:
    records = (Record(**{"key": str(number), "value": value, **options}) for number, value in enumerate(values))
    topics.write(kafka.bootstrap, topic, records)


def give_up(kafka: Kafka, names: Names, messages: Sequence[Message], **about: Any) -> None:
    """Write the dead letters of messages."""
    letters = []
    for one in messages:
        where = str(one.topic()), one.partition() or 0, one.offset() or 0, one.timestamp()[1]
        told = {"step": "decode_ratings", "error": "NotJson", "message": "why", **about}
        key, value, headers = to_message(dead_letter(*where, one.key(), one.value(), one.headers(), **told))  # type: ignore[arg-type]
        letters.append(Record(key, value, headers=headers))  # type: ignore[arg-type]
    topics.write(kafka.bootstrap, names["dead_letters"], letters)


def ratings(count: int) -> list[bytes]:
    return [b'{"rating_id":%d,"user_id":7}' % number for number in range(count)]


def times(kafka: Kafka, topic: str) -> Counter[bytes | None]:
    return Counter(one.value() for one in read(kafka, topic))


def test_a_message_comes_back_as_it_was(kafka: Kafka, names: Names) -> None:
    written: list[dict[str, Any]] = [
        {"value": b"\x00\xff\n", "key": b"\x00\n", "timestamp": 1_528_800_546_808, "partition": 0},
        {"value": b"", "key": b"", "timestamp": 1, "partition": 2, "headers": [("__value_schema_id", b"\x01\xff")]},
        {"value": None, "key": None, "timestamp": 4_102_444_800_000 // 3, "partition": 1},
        {"value": b"v", "key": b"k", "partition": 1, "headers": [("a", b""), ("a", None), ("ü", b"\n")]},
    ]
    topics.write(kafka.bootstrap, names["ratings"], [Record(**one) for one in written])
    before = read(kafka, names["ratings"])
    give_up(kafka, names, before)
    assert replay(kafka, names) == ["replayed 4 skipped 0 cannot 0"]

    def content(messages: Sequence[Message]) -> Counter[str]:
        return Counter(
            repr((one.partition(), one.key(), one.value(), one.headers(), one.timestamp())) for one in messages
        )

    after = read(kafka, names["ratings"])
    assert content(after) == content(before) + content(before)
    assert replay(kafka, names) == ["replayed 0 skipped 0 cannot 0"]


def test_filters_neither_lose_nor_double(kafka: Kafka, names: Names) -> None:
    write(kafka, names["ratings"], *ratings(90))
    messages = sorted(read(kafka, names["ratings"]), key=lambda one: one.value() or b"")
    give_up(kafka, names, messages[:30], step="decode_ratings", error="NotJson")
    give_up(kafka, names, messages[30:60], step="join", error="UnknownCustomer")
    time.sleep(0.01)
    later = round(time.time() * 1000)
    give_up(kafka, names, messages[60:], step="decode_ratings", error="UnknownSchema")
    passed_over = "passed over by the filters"
    for options, line in [
        (("--step", "join", "--dry-run"), f"would replay 30 skipped 60 (60 {passed_over}) cannot 0"),
        (("--step", "join"), f"replayed 30 skipped 60 (60 {passed_over}) cannot 0"),
        (("--step", "join"), f"replayed 0 skipped 90 (60 {passed_over}, 30 sent before) cannot 0"),
        (("--since", str(later)), f"replayed 30 skipped 60 (60 {passed_over}) cannot 0"),
        (("--error", "UnknownSchema"), f"replayed 0 skipped 90 (60 {passed_over}, 30 sent before) cannot 0"),
        (("--step", "decode_ratings", "--since", "2h"), "replayed 30 skipped 60 "),
        (("--dry-run",), "would replay 0 skipped "),
        ((), "replayed 0 skipped "),
        ((), "replayed 0 skipped 0 cannot 0"),
    ]:
        assert replay(kafka, names, *options)[-1].startswith(line), options
    assert set(times(kafka, names["ratings"]).values()) == {2}


def test_a_dry_run_changes_nothing(kafka: Kafka, names: Names) -> None:
    write(kafka, names["ratings"], *ratings(5))
    give_up(kafka, names, read(kafka, names["ratings"]))
    for _ in range(2):
        head, row, line = replay(kafka, names, "--dry-run")
        assert head.split() == ["step", "error", "topic", "letters"]
        assert row.split() == ["decode_ratings", "NotJson", names["ratings"], "5"]
        assert line == "would replay 5 skipped 0 cannot 0"
    assert len(read(kafka, names["ratings"])) == 5
    assert f"{names['dead_letters']}-replayed" not in kafka.admin().list_topics(timeout=10).topics
    assert replay(kafka, names) == ["replayed 5 skipped 0 cannot 0"]


def start_and_wait(kafka: Kafka, names: Names, *options: str) -> "subprocess.Popen[str]":
    """Start it, and wait until it has begun to send; or, if nothing is left, to its end."""
    with Reader(kafka.bootstrap, names["ratings"], isolation_level="read_uncommitted") as ratings:
        before = ratings.ends()  # in open transactions, too
        process = start(kafka, names, *options)
        while ratings.ends() == before and process.poll() is None:
            pass
    return process


def test_kills_neither_lose_nor_double(kafka: Kafka, names: Names) -> None:
    count, rng = 20_000, random.Random(5)
    write(kafka, names["ratings"], *ratings(count))
    give_up(kafka, names, read(kafka, names["ratings"]))
    in_the_middle = 0
    for _ in range(8):
        process = start_and_wait(kafka, names)
        time.sleep(rng.uniform(0, 0.1))
        in_the_middle += process.poll() is None
        process.kill()
        process.communicate()
    (line,) = replay(kafka, names)
    assert line.startswith("replayed ")
    found = times(kafka, names["ratings"])
    assert (len(found), set(found.values())) == (count, {2})
    assert replay(kafka, names) == ["replayed 0 skipped 0 cannot 0"]
    print(f"{in_the_middle} kills while it ran; the last run: {line}")
    assert in_the_middle > 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_after_a_transaction(kafka: Kafka, names: Names, number: signal.Signals) -> None:
    count = 20_000
    write(kafka, names["ratings"], *ratings(count))
    give_up(kafka, names, read(kafka, names["ratings"]))
    process = start_and_wait(kafka, names)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1:]) == (
        0,
        ["stopped before the end: the next run goes on from here"],
    )
    sent = int(out.split()[1])
    assert 0 < sent < count
    assert replay(kafka, names) == [f"replayed {count - sent} skipped 0 cannot 0"]
    assert set(times(kafka, names["ratings"]).values()) == {2}


def test_a_second_replay_takes_over_from_the_first(kafka: Kafka, names: Names) -> None:
    count = 20_000
    write(kafka, names["ratings"], *ratings(count))
    give_up(kafka, names, read(kafka, names["ratings"]))
    first = start_and_wait(kafka, names)
    first.send_signal(signal.SIGSTOP)
    (line,) = replay(kafka, names)
    first.send_signal(signal.SIGCONT)
    _, err = first.communicate(timeout=60)
    assert (first.returncode, err.splitlines()[-1:]) == (
        1,
        ["replay: another replay was started, and goes on from here"],
    )
    assert "Traceback" not in err
    assert 0 < int(line.split()[1]) <= count
    assert set(times(kafka, names["ratings"]).values()) == {2}


def test_changes_of_customers_are_sent_with_a_warning_and_other_topics_left_alone(kafka: Kafka, names: Names) -> None:
    write(kafka, names["customers"], b'{"id":1,"email":5}', b'{"id":1,"email":6}', key=b"1")
    give_up(kafka, names, read(kafka, names["customers"])[::-1], step="decode_customers")
    other = message(b"v", b"k", topic="another-topic", partition=0, offset=0)
    give_up(kafka, names, [other])
    process = start(kafka, names)
    out, err = process.communicate(timeout=60)
    assert out == "replayed 2 skipped 1 (1 of topic another-topic, which is no input or does not exist) cannot 0\n"
    assert err.splitlines()[-1] == (
        f"warning: changes of customers go to the end of {names['customers']}, where they win over later ones"
    )
    assert [one.value() for one in read(kafka, names["customers"])] == [
        b'{"id":1,"email":5}',
        b'{"id":1,"email":6}',
        b'{"id":1,"email":5}',
        b'{"id":1,"email":6}',
    ]


def test_what_cannot_be_sent_is_named(kafka: Kafka, names: Names) -> None:
    write(kafka, names["ratings"], *ratings(3), b"x" * 700_000)
    messages = read(kafka, names["ratings"])
    give_up(kafka, names, messages)
    gone = of_refused(names["ratings"], Refused(1, 99, 5, "enriched", "MessageTooLarge", "why", b"o", "t"), None)
    write(kafka, names["dead_letters"], to_message(gone)[1], b"no letter", key=b"a-key")
    kafka.create_topic(f"{names['dead_letters']}-replayed", partitions=1, cleanup_policy="compact")
    process = start(kafka, names)
    out, err = process.communicate(timeout=60)
    assert out.startswith("replayed 3 skipped 0 cannot 3 (")
    assert out.count("1 ") == 3
    named = [line for line in err.splitlines() if line.startswith("cannot replay ")]
    assert len(named) == 3
    assert any("it was gone from its topic" in line for line in named)
    assert any("it is no dead letter" in line for line in named)
    (large,) = [one for one in messages if len(one.value() or b"") == 700_000]
    place = f"{names['ratings']}-{large.partition()}-{large.offset()}"
    assert any(place in line and "it was too large to be kept whole" in line for line in named)


def limit_size(kafka: Kafka, topic: str, size: int) -> None:
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = kafka.admin()  # its requests end with it
    admin.incremental_alter_configs([resource])[resource].result(30)


def test_an_original_that_its_topic_refuses_keeps_no_other_back(kafka: Kafka, names: Names) -> None:
    large = random.Random(1).randbytes(100_000)
    write(kafka, names["ratings"], *ratings(20), large, *ratings(40)[20:])
    give_up(kafka, names, read(kafka, names["ratings"]))
    limit_size(kafka, names["ratings"], 50_000)
    (line,) = replay(kafka, names)
    assert line == "replayed 40 skipped 0 cannot 1 (1 is refused by its topic)"
    limit_size(kafka, names["ratings"], 1_000_000)
    (line,) = replay(kafka, names)
    assert line.startswith("replayed 1 skipped ")
    assert set(times(kafka, names["ratings"]).values()) == {2}


def test_a_topic_of_dead_letters_that_was_made_anew_is_read_from_its_start(kafka: Kafka, names: Names) -> None:
    write(kafka, names["ratings"], *ratings(10))
    first = read(kafka, names["ratings"])
    give_up(kafka, names, first)
    assert replay(kafka, names) == ["replayed 10 skipped 0 cannot 0"]
    admin = kafka.admin()
    admin.delete_topics([names["dead_letters"]])[names["dead_letters"]].result(30)
    deadline = time.monotonic() + 30
    while names["dead_letters"] in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    kafka.create_topic(names["dead_letters"], partitions=2)
    places = {(one.partition(), one.offset()) for one in first}
    again = [one for one in read(kafka, names["ratings"]) if (one.partition(), one.offset()) not in places]
    give_up(kafka, names, [*first, *again])
    assert replay(kafka, names) == ["replayed 10 skipped 10 (10 sent before) cannot 0"]
    assert set(times(kafka, names["ratings"]).values()) == {3}


def test_settings_that_are_not_usable_end_with_one_line(kafka: Kafka, names: Names) -> None:
    for more, line in [
        ({"UNMATCHED": "maybe"}, "replay: UNMATCHED is 'maybe', but"),
        ({"DEAD_LETTERS_TOPIC": "no-such-topic"}, "replay: DEAD_LETTERS_TOPIC is 'no-such-topic', but there is no"),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "STARTUP_TIMEOUT_SECONDS": "1"},
            "replay: Kafka at 127.0.0.1:9 is not there after 1 s",
        ),
    ]:
        process = start(kafka, names, **more)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.splitlines()[-1].startswith(line), err
        assert "Traceback" not in err


# With the flow.


def wait(job: Job, until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert job.running(), job.tail()
        assert time.monotonic() < deadline, job.tail()
        time.sleep(0.2)


def enriched(kafka: Kafka, names: Names) -> Counter[int]:
    return Counter(json.loads(value or b"")["rating_id"] for value in times(kafka, names["enriched"]).elements())


def test_ratings_that_were_refused_by_mistake_are_put_right(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    """A thousand whose customers were not there yet; and the replay is killed on its way."""
    count = 1000
    write(kafka, names["ratings"], *ratings(count))
    refuse = settings(kafka, names, UNMATCHED="dead-letter")
    job = Job(tmp_path, refuse)
    with job:
        wait(job, lambda: len(read(kafka, names["dead_letters"])) >= count)
        assert job.stop() == [0], job.tail()
    write(kafka, names["customers"], b'{"id":7,"last_name":"Astley"}', key=b"7")
    rng = random.Random(3)
    with Job(tmp_path, refuse) as job:
        for _ in range(3):
            process = start_and_wait(kafka, names, "--error", "UnknownCustomer")
            time.sleep(rng.uniform(0, 0.05))
            process.kill()
            process.communicate()
        replay(kafka, names, "--error", "UnknownCustomer")
        wait(job, lambda: len(enriched(kafka, names)) == count)
        assert job.stop() == [0], job.tail()
    assert enriched(kafka, names) == Counter(range(count))
    assert {json.loads(value or b"")["full_name"] for value in times(kafka, names["enriched"])} == {"Astley"}
    assert len(read(kafka, names["dead_letters"])) == count
    assert set(times(kafka, names["ratings"]).values()) == {2}


def test_what_a_topic_refused_is_replayed_as_the_rating(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(4000).hex()
    rating = json.dumps({"rating_id": 1, "user_id": 7, "stars": 1, "message": noise}).encode()
    write(kafka, names["customers"], b'{"id":7,"last_name":"Astley","club_status":"platinum"}', key=b"7")
    write(kafka, names["ratings"], rating, headers=[("a", b"b")], timestamp=1_528_800_546_808)
    for output in ("enriched", "alerts"):
        limit_size(kafka, names[output], 2000)
    with Job(tmp_path, settings(kafka, names)) as job:
        wait(job, lambda: len(read(kafka, names["dead_letters"])) >= 2)
        assert job.stop() == [0], job.tail()
    letters = {
        found["step"]: found for found in (json.loads(one.value() or b"") for one in read(kafka, names["dead_letters"]))
    }
    for output in ("enriched", "alerts"):
        found = letters[output]
        assert (found["error"], found["destination"]) == ("MessageTooLarge", names[output])
        assert (b64decode(found["value"]), b64decode(found["key"]), found["headers"]) == (rating, b"0", [["a", "Yg=="]])
        assert json.loads(b64decode(found["output"]))["full_name"] == "Astley"
        limit_size(kafka, names[output], 1_000_000)
    (one, _) = read(kafka, names["dead_letters"])
    assert dict(one.headers() or ())["__connect.errors.exception.class.name"] == b"MessageTooLarge"
    assert replay(kafka, names) == ["replayed 1 skipped 1 (1 sent before) cannot 0"]
    with Job(tmp_path, settings(kafka, names)) as job:
        wait(job, lambda: len(read(kafka, names["alerts"])) >= 1 and len(read(kafka, names["enriched"])) >= 1)
        assert job.stop() == [0], job.tail()
    (record,) = (json.loads(one.value() or b"") for one in read(kafka, names["enriched"]))
    assert (record["message"], record["rating_ts"]) == (noise, 1_528_800_546_808)


def test_a_wrong_topic_stops_the_flow_with_one_line(kafka: Kafka, names: Names, tmp_path: Path) -> None:
    write(kafka, names["ratings"], *(b"not a rating %d" % number for number in range(5000)))
    with Job(tmp_path, settings(kafka, names)) as job:
        assert job.wait(60) != [0]
    (line,) = [line for line in job.tail().splitlines() if " ERROR operators.limit: " in line]
    assert "decode_ratings: 1,001 records in a row became dead letters" in line
    assert "NotJson" in line
    assert f"for example {names['ratings']}-" in line
