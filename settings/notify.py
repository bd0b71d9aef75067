"""The notifier: Slack, any other URL, and how often people are told."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from settings.component import Component
from settings.kafka import Topic, TopicList
from settings.values import is_address


def _address(text: str) -> str:
    if not is_address(text) or re.search(r"[\s\\]", text):
        raise ValueError("must be one address, `https://host/path`")
    return text


def _secret_address(secret: SecretStr) -> SecretStr:
    _address(secret.get_secret_value())
    return secret


def _base(text: str) -> str:
    return text if text.endswith("/") else f"{text}/"


Address = Annotated[str, AfterValidator(_address)]
SecretAddress = Annotated[SecretStr, AfterValidator(_secret_address)]


class Slack(Component):
    """Slack, for the notifier."""

    bot_token: SecretStr | None = Field(
        None,
        alias="SLACK_BOT_TOKEN",
        min_length=1,
        description="token of a Slack bot with the scope `chat:write`, and `channels:history` (`groups:history` for a "
        "private channel) so that no message comes twice; needs `SLACK_CHANNEL`",
    )
    channel: str | None = Field(
        None,
        alias="SLACK_CHANNEL",
        min_length=1,
        max_length=100,
        description="channel for the messages of rules that name none: its id, `C0123456789`; by its name alone a "
        "message whose answer was lost may come twice after a restart",
    )
    webhook_url: SecretAddress | None = Field(
        None,
        alias="SLACK_WEBHOOK_URL",
        description="incoming webhook of Slack, instead of a token; it posts to the one channel that it was made for",
    )
    api_url: Annotated[Address, AfterValidator(_base)] = Field(
        "https://slack.com/api/", alias="SLACK_API_URL", description="address of Slack's API"
    )


class Notify(Component):
    """The notifier, `dataflows.notify`."""

    webhook_url: SecretAddress | None = Field(
        None,
        alias="NOTIFY_WEBHOOK_URL",
        description="address that alerts and digests are posted to as JSON, instead of Slack",
    )
    cooldown: float = Field(
        3600,
        alias="NOTIFY_COOLDOWN_SECONDS",
        ge=0,
        le=30 * 86400,
        description="seconds between two messages about one customer; alerts in between are told in digests",
    )
    per_minute: int = Field(
        10,
        alias="NOTIFY_PER_MINUTE",
        ge=1,
        le=100_000,
        description="most messages in a minute, digests included; further alerts are told in digests",
    )
    max_age: float = Field(
        3600,
        alias="NOTIFY_MAX_AGE_SECONDS",
        gt=0,
        le=5 * 86400,
        description="seconds after which a rating is no longer news: an alert that is older when it is read is "
        "counted, and not told",
    )
    link: str | None = Field(
        None,
        alias="NOTIFY_LINK",
        max_length=1000,
        description="template of a link to the rating, with columns of the alert in braces: "
        "`https://example.com/ratings/{rating_id}`",
    )
    topics: TopicList = Field(
        [],
        alias="NOTIFY_TOPICS",
        description="topics of alerts to read, separated by commas. Empty: those of the rules",
    )
    notified: Topic = Field(
        "notified",
        alias="NOTIFIED_TOPIC",
        description="topic in which the notifier remembers what it has told; it must keep its messages for seven days "
        "or longer",
    )
