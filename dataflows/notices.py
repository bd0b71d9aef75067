"""An alert as an entry of the notifier, and the messages about alerts. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from messages.message import Message
from records.alert import FIRST_RULE
from records.read_alert import Alert
from sinks.notices import Entry
from sinks.slack import text as slack

ASK = "Please contact them now, and see whether it can be put right."

_SHOWN = 10
"""Alerts of a digest whose words are in it."""
_LONGEST_MESSAGE, _LONGEST_TEXT, _LONGEST_ABOUT = 40_000, 1_000, 200
_NO_STARS = 1_000
_NO_WORDS = "(no words)"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}")


class Rule(Protocol):
    """What a rule says about its messages."""

    @property
    def slack_channel(self) -> str | None:
        """Another channel than the usual one."""

    @property
    def slack_text(self) -> str | None:
        """A template that replaces the headline."""


def entry(topic: str, rules: Mapping[str, Rule], message: Message, alert: Alert) -> Entry:
    """The entry of an alert that was read from ``topic``."""
    place = [topic, message.partition(), message.offset(), message.timestamp()[1]]
    rule = alert.rule or FIRST_RULE
    rating = f"{topic}-{place[1]}-{place[2]}"
    if alert.rating_id is not None:
        rating = str(alert.rating_id)
    elif alert.source_offset is not None:
        rating = f"{alert.source_partition}-{alert.source_offset}"
    key = f"{rule[:_LONGEST_ABOUT]}/{rating}"
    return Entry(
        key=key,
        about=_about(alert) or key,
        to=(rules[rule].slack_channel or "") if rule in rules else "",
        at=alert.rating_ts if alert.rating_ts is not None and alert.rating_ts > 0 else message.timestamp()[1],
        rank=_NO_STARS if alert.stars is None else alert.stars,
        content={"place": place, "alert": _kept(alert)},
    )


def _about(alert: Alert) -> str | None:
    """Whom an alert is about."""
    if alert.user_id is not None:
        return f"user {alert.user_id}"
    for name in (alert.email, alert.full_name):
        if name:
            return name.casefold()[:_LONGEST_ABOUT]
    return None


def _kept(alert: Alert) -> dict[str, Any]:
    """The fields that are there, none of them endless."""
    fields = {name: value for name, value in msgspec.to_builtins(alert).items() if value is not None}
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = value[: _LONGEST_MESSAGE if name == "message" else _LONGEST_TEXT]
    return fields


def alert_of(entry: Entry) -> Alert:
    """The alert of an entry."""
    return msgspec.convert(entry.content["alert"], Alert)


@dataclass(frozen=True)
class Writing:
    """How messages are written.

    Args:
        link: template of a rating's address, with columns of the alert in braces; None: there are no links.
        rules: by name.
    """

    link: str | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def slack(self, entries: Sequence[Entry], is_digest: bool) -> dict[str, Any]:
        """The text and blocks of a Slack message."""
        blocks, text = self._digest(entries) if is_digest else self._alone(alert_of(entries[0]))
        return {"text": slack.escape(slack.unformatted(text), slack.TEXT), "blocks": blocks}

    def line(self, entries: Sequence[Entry], is_digest: bool) -> dict[str, Any]:
        """A line to print."""
        lines = [headline(entries)] if is_digest else []
        lines += [_summary(alert_of(one)) for one in entries[:_SHOWN]]
        return {"text": "; ".join(lines)}

    def json(self, entries: Sequence[Entry], is_digest: bool) -> dict[str, Any]:
        """The alert or the digest as JSON."""
        if not is_digest:
            return {"kind": "alert", **self._as_json(entries[0])}
        return {
            "kind": "digest",
            "headline": headline(entries),
            "alerts": [self._as_json(one) for one in entries[:_SHOWN]],
            "keys": [one.key for one in entries],
        }

    def _as_json(self, entry: Entry) -> dict[str, Any]:
        address = self.address(alert_of(entry))
        return {"key": entry.key, "alert": entry.content["alert"], **({"link": address} if address else {})}

    def address(self, alert: Alert) -> str | None:
        """The address of an alert's rating; None if there is no template, or the alert lacks a column of it."""
        if self.link is None:
            return None
        values = {name: getattr(alert, name) for name in fields_of(self.link)}
        if None in values.values():
            return None
        return self.link.format(
            **{name: quote(str(value), safe="", errors="replace") for name, value in values.items()}
        )

    def _alone(self, alert: Alert) -> tuple[list[Any], str]:
        rule = self.rules.get(alert.rule or FIRST_RULE)
        facts = {
            "Customer": alert.full_name,
            "Email": alert.email,
            "Status": alert.club_status,
            "Stars": alert.stars,
            "Channel": alert.channel,
            "Rule": alert.rule or FIRST_RULE,
        }
        shown = [f"{name}: {slack.in_a_line(str(fact), 500)}" for name, fact in facts.items() if fact is not None]
        blocks = [
            self._header(alert, rule),
            {"type": "section", "fields": [slack.plain(fact[: slack.FIELD]) for fact in shown]},
            {"type": "section", "text": slack.plain(slack.safe(alert.message or "") or _NO_WORDS)},
            {"type": "section", "text": slack.mrkdwn(" ".join([ASK, *self._links(alert)]))},
        ]
        return blocks, _summary(alert)

    def _header(self, alert: Alert, rule: Rule | None) -> dict[str, Any]:
        if rule is not None and rule.slack_text:
            values = {name: _word(getattr(alert, name)) for name in fields_of(rule.slack_text)}
            return {"type": "section", "text": slack.mrkdwn(rule.slack_text.format(**values)[: slack.SECTION])}
        header = f"{_stars(alert)} from {slack.in_a_line(_name(alert), 100)}"
        return {"type": "header", "text": slack.plain(header[: slack.HEADER])}

    def _digest(self, entries: Sequence[Entry]) -> tuple[list[Any], str]:
        title = headline(entries)
        blocks: list[Any] = [{"type": "header", "text": slack.plain(title)}]
        for alert in map(alert_of, entries[:_SHOWN]):
            blocks.append({"type": "section", "text": slack.plain(slack.in_a_line(_summary(alert), 600))})
            if links := self._links(alert):
                blocks.append({"type": "context", "elements": [slack.mrkdwn(" ".join(links))]})
        if len(entries) > _SHOWN:
            more = f"and {len(entries) - _SHOWN} more"
            blocks.append({"type": "context", "elements": [slack.mrkdwn(more)]})
        blocks.append({"type": "section", "text": slack.mrkdwn(ASK)})
        return blocks, f"{title}, the worst: {_summary(alert_of(entries[0]))}"

    def _links(self, alert: Alert) -> list[str]:
        """Ways to the customer and to the rating."""
        links = []
        if alert.email and _ADDRESS.fullmatch(alert.email):
            links.append(slack.link(f"mailto:{quote(alert.email, safe='@')}", "Write to them"))
        if (address := self.address(alert)) and len(address) <= 2000:
            links.append(slack.link(address, "Look at the rating"))
        return links


def headline(entries: Sequence[Entry]) -> str:
    """What a digest holds, in a line."""
    reviews, customers = len(entries), len({one.about for one in entries})
    return f"{reviews} more poor review{'s'[: reviews != 1]}, {customers} customer{'s'[: customers != 1]}"


def fields_of(template: str) -> list[str]:
    """The fields of a template."""
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def check_link(template: str) -> None:
    """See that a template of addresses can be used.

    Raises:
        ValueError: it cannot; the message says what it must be.
    """
    columns = Alert.__struct_fields__
    try:
        parts = [part for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"is no template: {error}") from None
    for _, name, spec, conversion in parts:
        if name not in columns or spec or conversion:
            raise ValueError(f"has {{{name}}}, but may hold only columns of an alert, such as {{rating_id}}")
    if not re.match(r"https?://[^/{}\s]+", template) or re.search(r"\s", template):
        raise ValueError("must be an address that begins with https:// and a host, without spaces")


def _name(alert: Alert) -> str:
    return alert.full_name or alert.email or "a customer without a name"


def _stars(alert: Alert) -> str:
    return "A rating" if alert.stars is None else f"{alert.stars} star{'s'[: alert.stars != 1]}"


def _summary(alert: Alert) -> str:
    """An alert in a line of clean text."""
    about = [_name(alert), alert.email if alert.full_name else None, alert.club_status, alert.channel]
    facts = ", ".join(_line(one[:200]) for one in about if one)
    rule, words = _line((alert.rule or FIRST_RULE)[:200]), _line((alert.message or "")[:2000])[:1000]
    return f"{_stars(alert)} from {facts} ({rule}): {words or _NO_WORDS}"


def _line(text: str) -> str:
    return " ".join(slack.clean(text).split())


def _word(value: object) -> str:
    return "(none)" if value is None else slack.unformatted(slack.in_a_line(str(value), 1000))
