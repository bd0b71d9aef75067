"""What the answers of Slack and of other URLs do to a message: the ways out on the stand-in, and the clerk."""

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from prometheus_client import REGISTRY

from servers.embedded.kafka import EmbeddedKafka
from servers.embedded.slack import CHANNEL, TOKEN, Call, EmbeddedSlack, Fault
from sinks.errors import SinkError
from sinks.notices import Again, Entry, Limits, Notice, Printer, Way, Webhook, gate
from sinks.notices.webhook import seconds
from sinks.slack.bot import SlackBot
from sinks.slack.incoming import IncomingWebhook
from tests.sinks import told

NOTICE = Notice("5ffa3b5e-0000-4000-8000-000000000000", "", ("k",), "ada", 1_700_000_000_000, {"text": "k"})
WAYS = ["bot", "webhook", "url"]
POSTS = {"chat.postMessage", "webhook", "hook"}


@pytest.fixture
def slack() -> Iterator[EmbeddedSlack]:
    with EmbeddedSlack() as slack:
        yield slack


@pytest.fixture
def topic(topics: Callable[[str], str]) -> str:
    return topics("notified")


@pytest.fixture
def kafka(topic: str) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as kafka:
        kafka.create_topic(topic, 1)
        yield kafka


def make(way: str, slack: EmbeddedSlack) -> Way:
    if way == "bot":
        return told.bot(slack)
    return IncomingWebhook(slack.webhook_url) if way == "webhook" else Webhook(slack.hook_url)


def outcome(way: Way, notice: Notice = NOTICE) -> tuple[str, float | None, bool]:
    """What posting raises, the seconds that it asks for, and whether the message is in doubt."""
    try:
        way.post(notice)
    except Again as error:
        return "again", error.seconds, error.is_doubtful
    except SinkError as error:
        return type(error).__name__.lower(), None, False
    return "told", None, False


def posts(*faults: Fault | None) -> Callable[[Call], Fault | None]:
    """Each post takes the next of these faults."""
    left = iter(faults)
    return lambda call: next(left, None) if call.method in POSTS else None


@pytest.mark.parametrize(
    ("way", "fault", "expected"),
    [
        *((way, None, ("told", None, False)) for way in WAYS),
        *((way, Fault(status=429, headers={"Retry-After": "7"}), ("again", 7.0, False)) for way in WAYS),
        *((way, Fault(status=429), ("again", None, False)) for way in WAYS),
        *((way, Fault(status=500), ("again", None, True)) for way in WAYS),
        *((way, Fault(status=503, headers={"Retry-After": "2.5"}), ("again", 2.5, False)) for way in WAYS),
        *((way, Fault(status=504), ("again", None, True)) for way in WAYS),
        *((way, Fault(drop="before"), ("again", None, True)) for way in WAYS),
        *((way, Fault(drop="after"), ("again", None, True)) for way in WAYS),
        *(("bot", Fault(error=code), ("again", None, False)) for code in ("ratelimited", "rate_limited")),
        *(("bot", Fault(error=code), ("again", None, True)) for code in ("internal_error", "fatal_error")),
        ("bot", Fault(error="<html>a proxy says hello</html>"), ("again", None, True)),
        *(
            ("bot", Fault(error=code), ("denied", None, False))
            for code in ("invalid_auth", "token_revoked", "token_expired", "account_inactive", "not_authed")
        ),
        *(
            ("webhook", Fault(status=403, error=code), ("denied", None, False))
            for code in ("invalid_token", "no_service")
        ),
        *(("url", Fault(status=status), ("denied", None, False)) for status in (401, 403)),
        *(
            ("bot", Fault(error=code), ("unwelcome", None, False))
            for code in ("channel_not_found", "is_archived", "no_text", "msg_too_long", "invalid_blocks", "new_code")
        ),
        ("webhook", Fault(status=404, error="channel_not_found"), ("unwelcome", None, False)),
        ("webhook", Fault(status=410, error="channel_is_archived"), ("unwelcome", None, False)),
        ("webhook", Fault(status=400, error="invalid_payload"), ("unwelcome", None, False)),
        *(("url", Fault(status=status), ("unwelcome", None, False)) for status in (302, 400, 404, 410, 413)),
        ("bot", Fault(error="duplicate_message_not_found"), ("told", None, False)),
    ],
)
def test_what_an_answer_means(
    slack: EmbeddedSlack, way: str, fault: Fault | None, expected: tuple[str, float | None, bool]
) -> None:
    slack.faults = lambda _call: fault
    assert outcome(make(way, slack)) == expected


@pytest.mark.parametrize("way", WAYS)
def test_nobody_there_is_no_doubt(way: str) -> None:
    slack = EmbeddedSlack()
    slack.close()
    assert outcome(make(way, slack)) == ("again", None, False)


@pytest.mark.parametrize("way", WAYS)
def test_a_request_that_hangs_is_given_up(way: str, slack: EmbeddedSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.slack.bot._TIMEOUT", 0.3)
    monkeypatch.setattr("sinks.slack.incoming._TIMEOUT", 0.3)
    monkeypatch.setattr("sinks.notices.webhook._TIMEOUT", 0.3)
    slack.faults = lambda _call: Fault(delay=2)
    began = time.monotonic()
    assert outcome(make(way, slack)) == ("again", None, True)
    assert time.monotonic() - began < 1.5


def test_what_the_requests_hold(slack: EmbeddedSlack) -> None:
    for way in WAYS:
        make(way, slack).post(NOTICE)
    quiet = {"mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    bot, webhook, url = slack.posted
    assert bot.body.items() >= ({"channel": CHANNEL, "text": "k", "client_msg_id": NOTICE.id} | quiet).items()
    assert (bot.channel, bot.id, webhook.body) == (CHANNEL, NOTICE.id, {"text": "k"} | quiet)
    assert (url.id, url.body) == (NOTICE.id, {"text": "k"})


@pytest.mark.parametrize(
    ("token", "channel", "expected"),
    [(TOKEN, "#alerts", "told"), (TOKEN, "C0", "unwelcome"), ("xoxb-wrong", CHANNEL, "denied")],
)
def test_token_and_channel(slack: EmbeddedSlack, token: str, channel: str, expected: str) -> None:
    assert outcome(SlackBot(token, channel, slack.api_url))[0] == expected


def test_a_message_in_doubt_is_looked_for_through_all_pages(slack: EmbeddedSlack) -> None:
    bot = told.bot(slack)
    now = int(time.time() * 1000)
    notices = [Notice(f"id-{number}", "", (), None, now, {"text": "k"}) for number in range(250)]
    for notice in notices[:-1]:
        bot.post(notice)
    assert [bot.has(notice) for notice in (notices[0], notices[120], notices[248], notices[249])] == [True] * 3 + [
        False
    ]


@pytest.mark.parametrize(
    ("channel", "scopes", "expected"),
    [(CHANNEL, {"channels:history"}, True), (CHANNEL, set[str](), False), ("#alerts", {"channels:history"}, False)],
)
def test_when_history_can_be_asked(slack: EmbeddedSlack, channel: str, scopes: set[str], expected: bool) -> None:
    notice = Notice("id", "", (), None, int(time.time() * 1000), {"text": "k"})
    told.bot(slack).post(notice)
    slack.scopes = scopes
    asked = told.bot(slack, channel)
    assert asked.has(notice) is expected
    if scopes:
        asked.post(Notice("other", "", (), None, 0, {"text": "k"}))  # the answer has the channel's id
        assert asked.has(notice)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("inf", 3600.0),
        ("nan", 0.0),
        (None, None),
        ("", None),
        ("Fri, 27 Nov 2026", None),
    ],
)
def test_retry_after(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


def test_the_printer_prints() -> None:
    said: list[str] = []
    printer = Printer(said.append)
    printer.post(Notice("id", "C1", (), None, 0, {"text": "hello"}))
    printer.post(NOTICE)
    assert (said, printer.has(NOTICE)) == (["would send to C1: hello", "would send: k"], False)


class Rejects:
    def __init__(self) -> None:
        self.seen: list[tuple[list[str], str]] = []

    def __call__(self, entries: Sequence[Entry], error: str, reason: str) -> None:
        assert reason
        self.seen.append(([one.key for one in entries], error))


def arrived(slack: EmbeddedSlack, count: int, deadline: float = 15) -> list[str]:
    """The keys on the stand-in, once there are so many, and a moment later."""
    until = time.monotonic() + deadline
    while len(slack.posted) < count and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    return [key for one in list(slack.posted) for key in told.keys(one)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"Retry-After": "1"}),
        Fault(status=500),
        Fault(drop="before"),
        Fault(drop="after"),
        Fault(error="internal_error"),
    ],
    ids=["429", "500", "lost request", "lost answer", "internal_error"],
)
def test_a_message_is_sent_again_until_it_is_there_once(
    slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str, fault: Fault
) -> None:
    retries = REGISTRY.get_sample_value("notices_retries_total", {"reason": "again"}) or 0
    slack.faults = posts(fault, fault if fault.drop != "after" else None)
    lane = told.sink(kafka, topic, told.bot(slack), Rejects()).build_part("s", "0000", None)
    began = time.monotonic()
    lane.write_batch([[told.entry("a"), told.entry("b"), told.entry("a")]])
    assert sorted(arrived(slack, 2)) == ["a", "b"]
    lane.close()
    assert (REGISTRY.get_sample_value("notices_retries_total", {"reason": "again"}) or 0) > retries
    if fault.headers:
        assert time.monotonic() - began > 1


def test_a_refusal_is_a_dead_letter_and_the_next_is_told(
    slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    rejects = Rejects()
    slack.archived = {"C0ARCHIVED"}
    slack.channels["C0ARCHIVED"] = "C0ARCHIVED"
    lane = told.sink(kafka, topic, told.bot(slack), rejects).build_part("s", "0000", None)
    lane.write_batch([[told.entry("a", to="C0UNKNOWN"), told.entry("b", to="C0ARCHIVED"), told.entry("c")]])
    assert arrived(slack, 1) == ["c"]
    lane.write_batch([[told.entry("a")]])  # sent again by somebody, now to a channel that there is
    assert arrived(slack, 2) == ["c", "a"]
    lane.close()
    assert sorted(rejects.seen) == [(["a"], "channel_not_found"), (["b"], "is_archived")]
    lines = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert sorted(lines) == [
        f"Slack refuses a message, which is a dead letter now: {code}" for code in ("channel_not_found", "is_archived")
    ]


def test_a_revoked_token_is_waited_for(
    slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All messages wait for it, and one of them tries it: after 0.1, 0.2, 0.4 s."""
    monkeypatch.setattr(gate, "_DENIED_SECONDS", 0.1)
    rejects, bot = Rejects(), told.bot(slack)
    renewed = time.monotonic() + 0.5
    slack.faults = lambda _call: Fault(error="token_revoked") if time.monotonic() < renewed else None
    lane = told.sink(kafka, topic, bot, rejects).build_part("s", "0000", None)
    keys = [f"{number:03d}" for number in range(100)]
    lane.write_batch([[told.entry(key) for key in keys]])
    assert sorted(arrived(slack, len(keys))) == keys
    lane.close()
    assert len(slack.calls) - len(keys) <= bot.at_once + 3
    assert rejects.seen == []


def test_a_429_of_one_message_holds_all_back(slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str) -> None:
    asked: list[float] = []

    def once(_call: Call) -> Fault | None:
        if asked:
            return None
        asked.append(time.time())
        return Fault(status=429, headers={"Retry-After": "1"})

    slack.faults = once
    retries = REGISTRY.get_sample_value("notices_retries_total", {"reason": "again"}) or 0
    lane = told.sink(kafka, topic, told.bot(slack), Rejects()).build_part("s", "0000", None)
    lane.write_batch([[told.entry("a")]])
    while (REGISTRY.get_sample_value("notices_retries_total", {"reason": "again"}) or 0) == retries:
        time.sleep(0.01)
    lane.write_batch([[told.entry(key) for key in "bcdefgh"]])
    assert sorted(arrived(slack, 8)) == [*"abcdefgh"]
    lane.close()
    assert min(one.at for one in slack.posted) >= asked[0] + 1


@pytest.mark.parametrize(("channel", "at_once"), [(CHANNEL, 16), ("#alerts", 1)])
def test_messages_are_posted_at_once_where_one_in_doubt_can_be_looked_for(
    slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str, channel: str, at_once: int
) -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def slow(_call: Call) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.3 if at_once > 1 else 0.01)
        with lock:
            under_way -= 1

    slack.faults = slow
    lane = told.sink(kafka, topic, told.bot(slack, channel), Rejects()).build_part("s", "0000", None)
    lane.write_batch([[told.entry(str(number)) for number in range(40)]])
    arrived(slack, 40)
    lane.close()
    assert most == at_once


def test_all_that_is_in_doubt_at_a_kill_is_told_once(slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str) -> None:
    """Killed when half of what is under way has arrived, and none of it was answered."""
    dead, calls = threading.Event(), itertools.count(1)

    def die(_call: Call) -> Fault:
        number = next(calls)
        if number == 8:
            dead.set()
        dead.wait(5)
        return Fault(drop="after" if number % 2 else "before")

    slack.faults = die
    keys = [f"{number:02d}" for number in range(30)]
    sink = told.sink(kafka, topic, told.Mortal(told.bot(slack), dead.is_set), Rejects())
    lane = sink.build_part("s", "0000", None)
    lane.write_batch([[told.entry(key) for key in keys]])
    assert dead.wait(10)
    lane.snapshot()
    lane.close()
    slack.faults = None
    assert 0 < len(slack.posted) < len(keys)
    after = told.sink(kafka, topic, told.bot(slack), Rejects()).build_part("s", "0000", None)
    assert sorted(arrived(slack, len(keys))) == keys
    after.close()


def test_a_dead_token_does_not_hold_up_a_stop(slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str) -> None:
    slack.faults = lambda _call: Fault(error="token_revoked")
    sink = told.sink(kafka, topic, told.bot(slack), Rejects())
    lane = sink.build_part("s", "0000", None)
    lane.write_batch([[told.entry("a"), told.entry("b")]])
    lane.snapshot()
    began = time.monotonic()
    lane.close()
    assert time.monotonic() - began < 3
    slack.faults = None
    after = sink.build_part("s", "0000", None)  # without a state, as without a recovery store
    assert sorted(arrived(slack, 2)) == ["a", "b"]
    after.close()


@pytest.mark.parametrize(("way", "copies"), [("bot", 1), ("webhook", 2), ("url", 2)])
def test_what_is_in_doubt_at_a_kill(
    slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str, way: str, copies: int
) -> None:
    """Killed after the post, before anything was written of it. Only a bot can ask; a URL is given the same key."""
    dead = False

    def die(call: Call) -> Fault:
        nonlocal dead
        dead = dead or call.method in POSTS
        return Fault(drop="after")

    slack.faults = die
    sink = told.sink(kafka, topic, told.Mortal(make(way, slack), lambda: dead), Rejects())
    lane = sink.build_part("s", "0000", None)
    lane.write_batch([[told.entry("a")]])
    assert arrived(slack, 1) == ["a"]
    lane.close()
    slack.faults = None
    after = told.sink(kafka, topic, make(way, slack), Rejects()).build_part("s", "0000", None)
    after.write_batch([[told.entry("a"), told.entry("b")]])
    assert sorted(arrived(slack, copies + 1)) == sorted(["a"] * copies + ["b"])
    after.close()
    assert len({one.id for one in slack.posted}) == (1 if way == "webhook" else 2)


def test_limits_hold_over_a_restart(slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str) -> None:
    limits = Limits(cooldown=1.5, per_minute=100, max_age=1e12)
    sink = told.sink(kafka, topic, told.bot(slack), Rejects(), limits)
    lane = sink.build_part("s", "0000", None)
    lane.write_batch([[told.entry("a", "ada")]])
    assert arrived(slack, 1) == ["a"]
    lane.write_batch([[told.entry("b", "ada", rank=2), told.entry("c", "ada", rank=1), told.entry("d", "bob")]])
    assert arrived(slack, 2) == ["a", "d"]
    lane.close()
    after = sink.build_part("s", "0000", None)
    assert arrived(slack, 3) == ["a", "d", "c", "b"]
    after.close()
    assert slack.posted[2].body["text"] == "digest: c b"
    assert slack.posted[2].at - slack.posted[0].at > 1.5


def test_an_error_of_our_own_ends_the_flow(slack: EmbeddedSlack, kafka: EmbeddedKafka, topic: str) -> None:
    def broken(_entries: Sequence[Entry], _error: str, _reason: str) -> None:
        raise RuntimeError("the dead letters cannot be written")

    lane = told.sink(kafka, topic, told.bot(slack), broken).build_part("s", "0000", None)
    lane.write_batch([[told.entry("a", to="C0UNKNOWN")]])
    with pytest.raises(RuntimeError, match="cannot be written"):
        for _ in range(50):
            lane.snapshot()
            time.sleep(0.1)
    lane.close()
