"""The notifier as its users start it: on a real Kafka, killed, refused, and with settings that are not usable."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dataflows.rules import Rule
from dataflows.wiring.errors import StartupError
from dataflows.wiring.notify import way_out
from servers.embedded.slack import CHANNEL, TOKEN, Call, EmbeddedSlack, Fault
from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Reader, read, write
from settings import Settings
from sinks.notices import Printer, Webhook
from sinks.slack.bot import SlackBot
from sinks.slack.incoming import IncomingWebhook

NOTIFY = ("bytewax.run", "dataflows.notify")
ALERTS, KILLS = int(os.environ.get("NOTIFY_ALERTS", "400")), int(os.environ.get("NOTIFY_KILLS", "4"))
PER_MINUTE = int(os.environ.get("NOTIFY_LIMIT", "1000"))
COOLDOWN = 4

Names = dict[str, str]


@pytest.fixture
def slack() -> Iterator[EmbeddedSlack]:
    with EmbeddedSlack() as slack:
        yield slack


@pytest.fixture
def names(topics: Callable[[str], str]) -> Names:
    return {name: topics(name) for name in ("alerts", "more", "dead_letters", "notified")}


def settings(kafka: str, names: Names, slack: EmbeddedSlack, **others: str) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_GROUP_ID": names["alerts"],
        "BYTEWAX_SNAPSHOT_INTERVAL": "1",
        "NOTIFY_TOPICS": f"{names['alerts']},{names['more']}",
        "DEAD_LETTERS_TOPIC": names["dead_letters"],
        "NOTIFIED_TOPIC": names["notified"],
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_CHANNEL": CHANNEL,
        "SLACK_API_URL": slack.api_url,
        "NOTIFY_PER_MINUTE": str(PER_MINUTE),
        "NOTIFY_COOLDOWN_SECONDS": str(COOLDOWN),
        **others,
    }


def alert(number: int, at: float, rule: str = "unhappy-platinum", **fields: object) -> bytes:
    customer = number % 12
    return json.dumps(
        {
            "rating_id": number,
            "user_id": customer,
            "full_name": f"Ada {customer}",
            "email": f"ada{customer}@example.com",
            "club_status": "platinum",
            "stars": number % 2 + 1,
            "channel": "ios",
            "message": f"review {number}",
            "rating_ts": int(at * 1000),
            "rule": rule,
        }
        | fields
    ).encode()


def wait(done: Callable[[], bool], job: Job, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, job.tail()
        assert job.running(), job.tail()
        time.sleep(0.05)


def intents(kafka: Kafka, names: Names) -> dict[str, dict[str, Any]]:
    """The messages on the journal, by id; read without the notifier's code.

    A transaction that is committed may not be visible yet, if the broker is killed.
    """
    with Reader(kafka.bootstrap, names["notified"], isolation_level="read_uncommitted") as reader:
        records = [json.loads(message.value() or b"") for message in reader.read()]
    return {one["notice"]["id"]: one["notice"] for one in records if one["type"] == "intent.v1"}


def told(kafka: Kafka, names: Names, slack: EmbeddedSlack) -> Counter[str]:
    """How often each key was told: by messages that arrived at Slack."""
    posted = list(slack.posted)
    made = intents(kafka, names)  # each was there before its message
    return Counter(key for one in posted for key in made[one.id]["keys"])


def troubled(chance: Random) -> Callable[[Call], Fault | None]:
    """Slack on a bad day. A lost answer is found in the history, so of it there may be some, too."""
    faults = [
        Fault(drop="after"),
        Fault(drop="before"),
        Fault(status=500),
        Fault(status=429, headers={"Retry-After": "1"}),
        Fault(delay=0.3),
    ]
    return lambda _call: chance.choice(faults) if chance.random() < 0.1 else None


@pytest.mark.parametrize("processes", [1, 2])
def test_each_alert_is_told_once_whatever_is_killed(
    kafka: Kafka, names: Names, slack: EmbeddedSlack, tmp_path: Path, processes: int
) -> None:
    for topic in (names["alerts"], names["more"]):
        kafka.create_topic(topic, partitions=2)
    chance, kills, expected = Random(1), 0, set[str]()
    least_kills, alerts = KILLS // processes, ALERTS // processes
    slack.faults = troubled(Random(2))
    job = Job(tmp_path, settings(kafka.bootstrap, names, slack), module=NOTIFY, recovery=0, processes=processes)
    numbers, written = list(range(alerts)), list[int]()
    while numbers or kills < least_kills:
        before = len(slack.posted)
        with job:
            for _ in range(chance.randrange(1, 4)):
                some = [numbers.pop() for _ in range(min(len(numbers), ALERTS // (2 * KILLS) + 1))]
                again = chance.sample(written, min(len(written), 30))
                for topic, rule in ((names["alerts"], "unhappy-platinum"), (names["more"], "angry")):
                    rows = [(str(n), alert(n, time.time(), rule)) for n in (*some, *again, *some[:5])]
                    old = [(str(n), alert(10**6 + n, time.time() - 7200, rule)) for n in some[:5]]
                    write(kafka.bootstrap, topic, rows + old)
                    expected |= {f"{rule}/{n}" for n in some}
                written += some
                time.sleep(chance.uniform(0.2, 1.0))
            wait(lambda: len(slack.posted) > before or not numbers, job, seconds=90)  # noqa: B023
            time.sleep(chance.uniform(0.0, 0.5))
            job.kill()
        kills += 1
    slack.faults = None
    with job:
        wait(lambda: len(told(kafka, names, slack)) >= len(expected), job, seconds=150)
        time.sleep(COOLDOWN + 1)
        assert set(job.stop()) == {0}, job.tail()
    assert told(kafka, names, slack) == Counter(expected)
    assert kills >= least_kills
    check_limits(slack, intents(kafka, names))


def check_limits(slack: EmbeddedSlack, made: dict[str, dict[str, Any]]) -> None:
    posted = list(slack.posted)
    times = [one.at for one in posted]
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[PER_MINUTE:], strict=False))
    last: dict[str, float] = {}
    digests = 0
    for one in posted:
        about, count = made[one.id]["about"], len(made[one.id]["keys"])
        if about is None:
            digests += 1
            assert str(one.body["text"]).startswith(f"{count} more poor review")
        else:
            assert count == 1
            assert one.at - last.get(about, 0) >= COOLDOWN
            last[about] = one.at
    assert 0 < digests < len(posted)


def test_a_second_notifier_takes_over_and_nothing_is_told_twice(
    kafka: Kafka, names: Names, slack: EmbeddedSlack, tmp_path: Path
) -> None:
    kafka.create_topic(names["alerts"], partitions=2)
    slack.faults = troubled(Random(3))
    variables = settings(kafka.bootstrap, names, slack, NOTIFY_TOPICS=names["alerts"])
    numbers, expected = iter(range(10**6)), Counter[str]()

    def write_some(count: int) -> None:
        some = [next(numbers) for _ in range(count)]
        write(kafka.bootstrap, names["alerts"], [(str(n), alert(n, time.time())) for n in some])
        expected.update(f"unhappy-platinum/{n}" for n in some)

    with ExitStack() as stack:
        before = stack.enter_context(notifier(tmp_path / "0", variables))
        write_some(50)
        wait(lambda: bool(slack.posted), before)
        for number in range(1, 3):
            job, deadline = stack.enter_context(notifier(tmp_path / str(number), variables)), time.monotonic() + 60
            while before.running():
                write_some(10)
                assert time.monotonic() < deadline, before.tail()
                assert job.running(), job.tail()
                time.sleep(0.1)
            assert "another process has opened it since, and this one ends" in before.tail()
            before = job
        slack.faults = None
        wait(lambda: len(told(kafka, names, slack)) >= len(expected), before, seconds=90)
        assert before.stop() == [0], before.tail()
    assert told(kafka, names, slack) == expected


def test_kills_of_the_broker_let_each_alert_be_told_once(
    kafka_runs_here: None, names: Names, slack: EmbeddedSlack, tmp_path: Path
) -> None:
    chance = Random(4)
    slack.faults = troubled(Random(5))
    with Kafka(tmp_path) as kafka:
        kafka.create_topic(names["alerts"], partitions=2)
        variables = settings(kafka.bootstrap, names, slack, NOTIFY_TOPICS=names["alerts"])
        with notifier(tmp_path / "job", variables) as job:
            numbers = [*range(ALERTS // 2)]
            rounds = max(2, KILLS // 2)
            for part in range(rounds):
                some = numbers[part::rounds]
                write(kafka.bootstrap, names["alerts"], [(str(n), alert(n, time.time())) for n in some])
                time.sleep(chance.uniform(0, 2))
                kafka.kill()
                time.sleep(chance.uniform(0, 3))
                kafka.start()
            slack.faults = None
            wait(lambda: len(told(kafka, names, slack)) >= len(numbers), job, seconds=150)
            time.sleep(COOLDOWN + 1)
            assert job.stop() == [0], job.tail()
        assert told(kafka, names, slack) == Counter(f"unhappy-platinum/{n}" for n in numbers)


def notifier(folder: Path, variables: dict[str, str]) -> Job:
    folder.mkdir()
    return Job(folder, variables, module=NOTIFY, recovery=0)


def test_a_refused_alert_is_a_dead_letter_with_the_original(
    kafka: Kafka, names: Names, slack: EmbeddedSlack, tmp_path: Path
) -> None:
    for topic in (names["alerts"], names["more"]):
        kafka.create_topic(topic, partitions=1)
    rows = [("1", alert(1, time.time())), ("2", b"no alert"), ("3", None), ("4", alert(4, time.time()))]
    write(kafka.bootstrap, names["alerts"], rows)
    others = {"SLACK_CHANNEL": "C0UNKNOWN", "NOTIFY_COOLDOWN_SECONDS": "0"}
    job = Job(tmp_path, settings(kafka.bootstrap, names, slack, **others), module=NOTIFY)

    def letters() -> list[dict[str, Any]]:
        return [json.loads(one.value() or b"") for one in read(kafka.bootstrap, names["dead_letters"])]

    with job:
        wait(lambda: job.tail().count("refuses a message, which is a dead letter now: channel_not_found") == 2, job)
        wait(lambda: len(letters()) == 3, job)
        slack.channels["C0UNKNOWN"] = "C0UNKNOWN"  # somebody has mended it, and sends one of them again
        write(kafka.bootstrap, names["alerts"], rows[:1])
        wait(lambda: len(slack.posted) == 1, job)
        assert job.stop() == [0], job.tail()
    found = sorted((one["offset"], one["error"], one.get("original", "whole")) for one in letters())
    assert found == [(0, "channel_not_found", "whole"), (1, "NotJson", "whole"), (3, "channel_not_found", "whole")]
    assert {one["topic"] for one in letters()} == {names["alerts"]}


USUAL = Rule("unhappy-platinum", "true", "alerts")
ELSEWHERE = Rule("angry", "true", "alerts", slack_channel="C9")


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"SLACK_BOT_TOKEN": "x"}, "SLACK_BOT_TOKEN is set, but SLACK_CHANNEL is not"),
        (
            {"SLACK_CHANNEL": "C1"},
            "SLACK_CHANNEL is set, but SLACK_BOT_TOKEN is not: a webhook has a channel of its own",
        ),
        (
            {"SLACK_WEBHOOK_URL": "https://a/b", "NOTIFY_WEBHOOK_URL": "https://c/d"},
            "SLACK_WEBHOOK_URL and NOTIFY_WEBHOOK_URL are set, but there is one way out: ",
        ),
        (
            {"NOTIFY_LINK": "https://a/{rating}"},
            "NOTIFY_LINK is 'https://a/{rating}', but it has {rating}, but may hold ",
        ),
        (
            {"NOTIFY_LINK": "https://a/{rating_id!r}"},
            "NOTIFY_LINK is 'https://a/{rating_id!r}', but it has {rating_id}",
        ),
        ({"NOTIFY_LINK": "https://a/{"}, "NOTIFY_LINK is 'https://a/{', but it is no template: "),
        ({"NOTIFY_LINK": "ftp://a/{rating_id}"}, "NOTIFY_LINK is 'ftp://a/{rating_id}', but it must be an address"),
        ({"NOTIFY_LINK": "https://{rating_id}/"}, "NOTIFY_LINK is 'https://{rating_id}/', but it must be an address"),
    ],
)
def test_settings_that_do_not_go_together_are_one_line(variables: dict[str, str], line: str) -> None:
    with pytest.raises(StartupError) as error:
        way_out(Settings.load(variables), {"angry": ELSEWHERE})
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variables", "kind", "warnings"),
    [
        ({}, Printer, ["messages are printed, not sent"]),
        ({"SLACK_BOT_TOKEN": "x", "SLACK_CHANNEL": "C1"}, SlackBot, []),
        ({"SLACK_WEBHOOK_URL": "https://a/b"}, IncomingWebhook, ["rule angry names channel C9, but a webhook has one"]),
        ({"NOTIFY_WEBHOOK_URL": "https://a/b"}, Webhook, []),
    ],
)
def test_the_way_out(
    variables: dict[str, str], kind: type, warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    way, _ = way_out(Settings.load(variables), {"angry": ELSEWHERE, "unhappy-platinum": USUAL})
    assert type(way) is kind
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == len(warnings)
    assert all(warning in line for warning, line in zip(warnings, said, strict=True))


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        (
            {"SLACK_CHANNEL": "C1", "SLACK_BOT_TOKEN": "x", "NOTIFY_PER_MINUTE": "0"},
            "NOTIFY_PER_MINUTE is '0', but it ",
        ),
        (
            {"NOTIFIED_TOPIC": "ratings-dead-letters"},
            "NOTIFIED_TOPIC is 'ratings-dead-letters': it needs a topic of its",
        ),
        ({"STARTUP_TIMEOUT_SECONDS": "1"}, "Kafka at 127.0.0.1:9 is not there after 1 s: "),
    ],
)
def test_a_start_that_cannot_succeed_ends_with_one_line(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    with Job(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", **variables}, module=NOTIFY, recovery=0) as job:
        assert job.wait(30) == [1]
    assert job.tail().strip().splitlines()[-1].startswith(f"notify: {line}"), job.tail()
    assert "Traceback" not in job.tail()
