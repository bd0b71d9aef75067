"""What is told of an alert: from its topic to the bytes that reach Slack, for texts that mean no good, too."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dataflows import decoders
from dataflows.notices import Writing, headline
from dataflows.rules import Rule
from demo.generate.avro import encoder
from messages.cache import Schemas
from messages.errors import DecodeError
from messages.registry import Registry
from messages.wire import frame
from records.read_alert import FIELDS
from servers.embedded.messages import message
from servers.embedded.registry import RegistryDouble
from servers.embedded.slack import CHANNEL, TOKEN, EmbeddedSlack
from sinks.notices import Entry, Notice
from sinks.slack.bot import SlackBot
from sinks.slack.incoming import IncomingWebhook
from sinks.slack.text import safe

OURS = {
    "rating_id": 7,
    "user_id": 3,
    "full_name": "Ada Byron",
    "email": "ada@example.com",
    "club_status": "platinum",
    "stars": 2,
    "channel": "ios",
    "message": "worst. flight. ever.",
    "rating_ts": 1_700_000_000_000,
    "rule": "unhappy-platinum",
}
RULES = {
    "quiet": Rule("quiet", "true", "alerts", slack_channel="C9"),
    "templated": Rule("templated", "true", "alerts", slack_text=":rotating_light: *{full_name}* said {message}"),
}


def entry(**fields: object) -> Entry:
    return read(json.dumps(OURS | fields, ensure_ascii=False).encode())


def read(value: bytes | None, timestamp: int = 5) -> Entry:
    found = decoders.of_alerts("alerts", RULES, None).one(message(value, partition=1, offset=2, timestamp=timestamp))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "key", "about", "at"),
    [
        (OURS, "unhappy-platinum/7", "user 3", 1_700_000_000_000),
        (OURS | {"rule": "quiet"}, "quiet/7", "user 3", 1_700_000_000_000),
        # The article's, as ksqlDB printed them.
        (
            {
                "FULL_NAME": "Ada Byron",
                "EMAIL": "Ada@Example.com",
                "STARS": 1,
                "MESSAGE": "bad",
                "CLUB_STATUS": "platinum",
            },
            "unhappy-platinum/alerts-1-2",
            "ada@example.com",
            5,
        ),
        (
            {
                "EMAIL": {"string": "ada@example.com"},
                "STARS": {"int": 1},
                "MESSAGE": {"string": "bad"},
                "CLUB_STATUS": None,
            },
            "unhappy-platinum/alerts-1-2",
            "ada@example.com",
            5,
        ),
        ({"FULL_NAME": "Ada Byron"}, "unhappy-platinum/alerts-1-2", "ada byron", 5),
        ({"MESSAGE": "bad"}, "unhappy-platinum/alerts-1-2", "unhappy-platinum/alerts-1-2", 5),
        ({"source_partition": 4, "source_offset": 9, "rule": "r"}, "r/4-9", "r/4-9", 5),
        ({"rating_id": 7.0, "user_id": 3, "extra": [1, {"a": 2}]}, "unhappy-platinum/7", "user 3", 5),
    ],
)
def test_an_alert_in_any_form(value: dict[str, object], key: str, about: str, at: int) -> None:
    found = read(json.dumps(value).encode())
    assert (found.key, found.about, found.at) == (key, about, at)
    assert found.to == ("C9" if value.get("rule") == "quiet" else "")
    assert found.content["place"] == ["alerts", 1, 2, 5]


@pytest.mark.parametrize(
    "value",
    [b"", b"hello", b"[]", b"7", b"{}", b'{"other":1}', b'{"stars":"many"}', b'{"message":7}', b"\0\0\0\0\1abc"],
)
def test_what_is_no_alert_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError):
        read(value)


@pytest.mark.parametrize("is_upper", [True, False])
def test_an_alert_in_avro(is_upper: bool) -> None:
    """As the article's later version held them: a union of each type with null, the names in any case."""
    row = {"FULL_NAME": "Ada Byron", "EMAIL": "ada@example.com", "STARS": 1, "MESSAGE": "bad", "RATING_ID": None}
    if not is_upper:
        row = {key.lower(): value for key, value in row.items()}
    kinds = {key: ["null", "int" if key.lower() in {"stars", "rating_id"} else "string"] for key in row}
    text = json.dumps(
        {"type": "record", "name": "alert", "fields": [{"name": key, "type": kind} for key, kind in kinds.items()]}
    )
    with RegistryDouble() as double:
        value = frame(Registry(double.url).register("alerts-value", text), encoder(text)(row))
        decoder = decoders.of_alerts("alerts", {}, Schemas(Registry(double.url), FIELDS))
        single = message(value, partition=1, offset=2, timestamp=5)
        found = decoder.one(single)
        assert decoder.many([single]) == [found]
    assert found is not None
    assert (found.key, found.about, found.rank) == ("unhappy-platinum/alerts-1-2", "ada@example.com", 1)
    assert found.content["alert"]["full_name"] == "Ada Byron"


@pytest.mark.parametrize("value", [None, b"null"])
def test_what_deletes_an_alert_is_ignored(value: bytes | None) -> None:
    assert decoders.of_alerts("alerts", {}, None).one(message(value)) is None


LINK = "https://example.com/ratings/{rating_id}?by={channel}"
MORE = "…"

HOSTILE = [
    ("<!channel> help", "&lt;!channel&gt; help"),
    ("<!here>", "&lt;!here&gt;"),
    ("<!everyone|all>", "&lt;!everyone|all&gt;"),
    ("<@U012AB3CD>", "&lt;@U012AB3CD&gt;"),
    ("<#C012AB3CD|general>", "&lt;#C012AB3CD|general&gt;"),
    ("<!subteam^S012|@team>", "&lt;!subteam^S012|@team&gt;"),
    ("<!date^1|{date}|x>", "&lt;!date^1|{date}|x&gt;"),
    ("<https://evil.example|your bank>", "&lt;https://evil.example|your bank&gt;"),
    ("<mailto:a@b.c|x>", "&lt;mailto:a@b.c|x&gt;"),
    ("https://evil.example/a?b=1&c=2", "https://evil.example/a?b=1&amp;c=2"),
    ("@channel @here", "@channel @here"),
    ("&lt;!channel&gt;", "&amp;lt;!channel&amp;gt;"),
    ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
    ("`code` and ```a block```", "`code` and ```a block```"),
    ("*bold* _italic_ ~gone~", "*bold* _italic_ ~gone~"),
    ("> quoted", "&gt; quoted"),
    (":tada: :smile:", ":tada: :smile:"),
    ("\u202eevil\u202c", "evil"),
    ("\u2066a\u2069\u200e\u200f\u061cb", "ab"),
    ("שלום, טיסה גרועה", "שלום, טיסה גרועה"),
    ("رحلة سيئة", "رحلة سيئة"),
    ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
    ("zero\u200bwidth\ufeff", "zerowidth"),
    ("a\x00b\x07c\x1b[31md\x7f", "abc[31md"),
    ("a\tb", "a b"),
    ("a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"),
    ("a\n\n\n\n \n\nb", "a\n\nb"),
    ("  padded \n", "padded"),
    ("\n\n\n", "(no words)"),
    ("", "(no words)"),
    (" \u200b\u202e ", "(no words)"),
    ("👩‍👩‍👧 😡", "👩‍👩‍👧 😡"),
    ("Z" + "\u0301" * 500 + "!", "Z" + "\u0301" * 4 + "!"),
    ('{"text":"<!channel>","blocks":[]}', '{"text":"&lt;!channel&gt;","blocks":[]}'),
    ("</script><script>alert(1)</script>", "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"),
    ("{full_name} {0} %s $(x)", "{full_name} {0} %s $(x)"),
    ("x" * 40_000, "x" * 2999 + MORE),
    ("<" * 40_000, "&lt;" * 749 + MORE),
    ("😡" * 40_000, "😡" * 2999 + MORE),
    ("word " * 600, ("word " * 600)[:-1]),
    ("\u00a0\u3000wide\u2003space", "wide space"),
    ("private \ue000\U000f0000 use", "private  use"),
]  # fmt: skip


@pytest.fixture(scope="module")
def slack() -> Iterator[EmbeddedSlack]:
    with EmbeddedSlack() as slack:
        yield slack


def at_slack(slack: EmbeddedSlack, entries: list[Entry], is_digest: bool = False, by: str = "bot") -> dict[str, Any]:
    """What reaches Slack; the stand-in refuses what Slack would."""
    body = Writing(LINK, RULES).slack(entries, is_digest)
    way = SlackBot(TOKEN, CHANNEL, slack.api_url) if by == "bot" else IncomingWebhook(slack.webhook_url)
    way.post(Notice("id", "", (), None, 0, body))
    return slack.posted[-1].body


def texts(body: object) -> Iterator[dict[str, Any]]:
    """All text objects of a message."""
    if isinstance(body, dict):
        if body.get("type") in {"plain_text", "mrkdwn"}:
            yield body
        for value in body.values():
            yield from texts(value)
    elif isinstance(body, list):
        for value in body:
            yield from texts(value)


def is_harmless(body: dict[str, Any]) -> bool:
    """Whether nothing but our own words and links is read as more than text."""
    assert (body["mrkdwn"], body["unfurl_links"], body["unfurl_media"]) == (False, False, False)
    link = r"<(mailto:[^<>|\s]+\|Write to them|https://example\.com/[^<>|\s]+\|Look at the rating)>"
    for text in texts(body["blocks"]):
        shown = text["text"]
        if text["type"] == "plain_text":
            assert text["emoji"] is False
        else:
            assert text["verbatim"] is True
            shown = re.sub(link, "", shown)
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", shown), shown
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown), shown
    assert body["text"]
    assert len(body["text"]) <= 4000
    assert not re.search(r"[<>`*_~\x00-\x1f]|&(?!amp;|lt;|gt;)", body["text"])
    return True


def test_there_are_forty_texts() -> None:
    assert len({text for text, _ in HOSTILE}) >= 40


@pytest.mark.parametrize(("text", "shown"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_review_does_nothing(slack: EmbeddedSlack, text: str, shown: str) -> None:
    body = at_slack(slack, [entry(message=text)])
    assert body["blocks"][2] == {"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": False}}
    assert is_harmless(body)
    assert is_harmless(at_slack(slack, [entry(message=text)], by="webhook"))
    names = dict.fromkeys(("full_name", "email", "club_status", "channel", "rule"), text)
    assert is_harmless(at_slack(slack, [entry(**names)]))
    assert is_harmless(at_slack(slack, [entry(**names, message=text)] * 60, is_digest=True))
    templated = at_slack(slack, [entry(rule="templated", message=text, full_name=text)])
    assert not re.search(r"[<>`~]", templated["blocks"][0]["text"]["text"])
    assert "\n" not in Writing().line([entry(**names)], False)["text"]


def test_half_a_character_is_replaced() -> None:
    """No JSON holds one by the time it is decoded, but a decoder of Avro may let it pass."""
    assert safe("a\ud800b") == "a\ufffdb"


def test_a_message_names_everything(slack: EmbeddedSlack) -> None:
    body = at_slack(slack, [entry()])
    fields = [one["text"] for one in body["blocks"][1]["fields"]]
    assert fields == [
        "Customer: Ada Byron",
        "Email: ada@example.com",
        "Status: platinum",
        "Stars: 2",
        "Channel: ios",
        "Rule: unhappy-platinum",
    ]
    assert body["blocks"][0]["text"]["text"] == "2 stars from Ada Byron"
    assert body["blocks"][3]["text"]["text"] == (
        "Please contact them now, and see whether it can be put right. <mailto:ada@example.com|Write to them> "
        "<https://example.com/ratings/7?by=ios|Look at the rating>"
    )
    assert (
        body["text"]
        == "2 stars from Ada Byron, ada@example.com, platinum, ios (unhappy-platinum): worst. flight. ever."
    )


def test_a_rule_may_have_a_headline_of_its_own(slack: EmbeddedSlack) -> None:
    head = at_slack(slack, [entry(rule="templated", full_name="A*d*a")])["blocks"][0]["text"]
    assert head == {
        "type": "mrkdwn",
        "text": ":rotating_light: *A\u2217d\u2217a* said worst. flight. ever.",
        "verbatim": True,
    }


@pytest.mark.parametrize(
    ("email", "linked"),
    [
        ("ada+x@example.com", True),
        ("a@b.c|<!channel>", False),
        ("a@b.c?bcc=evil@x.y", False),
        ("a b@c.d", False),
        ("ada@exämple.com", False),
        ("", False),
    ],
)
def test_only_a_plain_address_is_a_link(slack: EmbeddedSlack, email: str, linked: bool) -> None:
    assert ("mailto:" in json.dumps(at_slack(slack, [entry(email=email)])["blocks"][3])) is linked


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({}, "https://example.com/ratings/7?by=ios"),
        ({"channel": "a&b=c d/<x>|é"}, "https://example.com/ratings/7?by=a%26b%3Dc%20d%2F%3Cx%3E%7C%C3%A9"),
        ({"channel": None}, None),
    ],
)
def test_the_link_to_a_rating(fields: dict[str, object], address: str | None) -> None:
    found = Writing(LINK).json([entry(**fields)], is_digest=False)
    assert found.get("link") == address


def test_a_digest_shows_the_worst_and_counts_all(slack: EmbeddedSlack) -> None:
    entries = [entry(rating_id=number, user_id=number % 9, stars=1 + number // 6) for number in range(12)]
    assert headline(entries) == "12 more poor reviews, 9 customers"
    assert headline(entries[:1]) == "1 more poor review, 1 customer"
    body = at_slack(slack, entries, is_digest=True)
    assert body["blocks"][0]["text"]["text"] == "12 more poor reviews, 9 customers"
    shown = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    assert len(shown) == 11
    assert shown[0].startswith("1 star from Ada Byron, ada@example.com, platinum, ios (unhappy-platinum): worst.")
    assert "and 2 more" in json.dumps(body["blocks"])


def test_the_alert_as_json() -> None:
    alone = Writing(LINK).json([entry()], is_digest=False)
    assert alone == {
        "kind": "alert",
        "key": "unhappy-platinum/7",
        "alert": OURS,
        "link": "https://example.com/ratings/7?by=ios",
    }
    digest = Writing().json([entry(rating_id=number) for number in range(12)], is_digest=True)
    assert (digest["kind"], digest["headline"], len(digest["alerts"])) == (
        "digest",
        "12 more poor reviews, 1 customer",
        10,
    )
    assert digest["keys"] == [f"unhappy-platinum/{number}" for number in range(12)]


def test_what_waits_is_never_endless() -> None:
    kept = entry(message="x" * 900_000, full_name="y" * 50_000)
    assert len(json.dumps(kept.content)) < 50_000
