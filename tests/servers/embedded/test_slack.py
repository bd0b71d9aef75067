"""The stand-in for Slack answers as Slack's documents say."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from servers.embedded.slack import CHANNEL, TOKEN, EmbeddedSlack

SECTION = {"type": "section", "text": {"type": "plain_text", "text": "x"}}


@pytest.fixture
def slack() -> Iterator[EmbeddedSlack]:
    with EmbeddedSlack() as slack:
        yield slack


def post(slack: EmbeddedSlack, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"} | headers
    request = Request(f"{slack.api_url}chat.postMessage", json.dumps(body).encode(), sent)  # noqa: S310
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return dict(json.loads(answer.read()))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": "x"}, None),
        ({"blocks": [SECTION] * 50}, None),
        ({"channel": "#alerts", "text": "x"}, None),
        ({}, "no_text"),
        ({"channel": "C0", "text": "x"}, "channel_not_found"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "plain_text", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "plain_text", "text": ""}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "fields": [SECTION["text"]] * 11}]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
    ],
)
def test_what_is_accepted(slack: EmbeddedSlack, body: dict[str, Any], error: str | None) -> None:
    answer = post(slack, {"channel": CHANNEL} | body)
    assert (answer["ok"], answer.get("error")) == (error is None, error)
    assert slack.count == len(slack.posted) == (error is None)
    if error is None:
        assert answer["channel"] == CHANNEL


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": "Bearer xoxb-other"}, "invalid_auth"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "invalid_post_type"),
    ],
)
def test_who_may_post(slack: EmbeddedSlack, headers: dict[str, str], error: str) -> None:
    assert post(slack, {"channel": CHANNEL, "text": "x"}, **headers)["error"] == error
