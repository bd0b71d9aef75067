"""Alert rules: which ratings make an alert, and where it goes; read from a TOML file."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from dataflows.wiring.errors import StartupError
from operators.rules import Column, RuleError, Select, Type, compiled
from records.alert import DEFAULT_COLUMNS, IDENTITY
from records.columns import COLUMNS
from records.enriched import EnrichedRating, Match
from settings import Settings, Topics

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_FILE = Path(__file__).with_name("rules.toml")
"""The rules of a job whose ``ALERT_RULES`` is not set."""

_LARGEST_FILE = 1 << 20
_MOST_RULES = 64  # each is a step, and each of its topics a sink with a state of 16 lanes
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")

_TYPES = {"text": Type.VARCHAR, "integer": Type.BIGINT, "timestamp": Type.BIGINT}
"""A timestamp is a number: epoch milliseconds, as an enriched rating's JSON has it."""
_COLUMNS = {column.name: Column(_TYPES[column.kind], column.null, column.source) for column in COLUMNS}
"""What a condition may name, as attributes of a ``Match``."""
_COPIED = {name: replace(column, path=name) for name, column in _COLUMNS.items()}
"""The same, as attributes of an ``EnrichedRating``."""


@dataclass(frozen=True)
class Rule:
    """A rule: a rating for which ``where`` is true makes an alert on ``topic``."""

    name: str
    """Unique in its file; an alert carries it."""
    where: str
    """The text of an SQL WHERE clause over the columns of an enriched rating."""
    topic: str
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    """What an alert holds besides its identity, in this order."""
    slack_channel: str | None = None
    slack_text: str | None = None
    """A template for ``str.format`` whose fields are columns of the alert."""


def load(path: Path | None, default_topic: str) -> tuple[Rule, ...]:
    """Read the rules of a file, at least one.

    Args:
        path: The file; None: DEFAULT_FILE.
        default_topic: The topic of a rule that names none.

    Raises:
        StartupError: the file cannot be read, or a rule is not usable: one line with the rule and the place.
    """
    file = path or DEFAULT_FILE
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise _Unusable("is larger than 1 MiB")
        return tuple(_rules(tomllib.loads(content.decode()), default_topic))
    except OSError as error:
        raise StartupError(f"ALERT_RULES is {str(file)!r}, but it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StartupError(f"the rules in {file}: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"the rules in {file} are no TOML: {error}") from None
    except RecursionError:
        raise StartupError(f"the rules in {file} are no TOML: nested too deeply") from None
    except _Unusable as error:
        raise StartupError(f"the rules in {file}: {error}") from None


@cache  # the check of a file compiles each rule, and the flow that runs it asks again
def selection(where: str) -> Select[Match]:
    """A function that selects the ratings for which the text of a rule is true.

    Raises:
        RuleError: the text is no condition over the columns.
    """
    return compiled(where, _COLUMNS)


def selection_of_copies(where: str) -> Select[EnrichedRating]:
    """The same, of ratings that were read back."""
    return compiled(where, _COPIED)


def check_topics(rules: Iterable[Rule], topics: Topics) -> None:
    """See that no rule writes to a topic that holds something else.

    Raises:
        StartupError: one does.
    """
    taken = {
        topics.ratings: "RATINGS_TOPIC",
        topics.customers: "CUSTOMERS_TOPIC",
        topics.enriched: "ENRICHED_TOPIC",
        topics.dead_letters: "DEAD_LETTERS_TOPIC",
        topics.statistics: "STATISTICS_TOPIC",
    }
    for rule in rules:
        if variable := taken.get(rule.topic):
            raise StartupError(f"rule {rule.name!r}: its topic {rule.topic!r} is {variable}, which is not for alerts")


def topics_of(settings: Settings) -> list[str]:
    """The topics of alerts that the notifier reads.

    Raises:
        StartupError: the rules cannot be read.
    """
    rules = load(settings.alerts.rules, settings.topics.alerts)
    return settings.notify.topics or sorted({rule.topic for rule in rules})


class _Unusable(ValueError):
    """What is wrong with a file, without the file's name."""


def _rules(content: Mapping[str, Any], default_topic: str) -> Iterator[Rule]:
    _known(content, ("rules",), "the file")
    tables = content.get("rules")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise _Unusable("there must be a table [[rules]] for each rule, and at least one")
    if len(tables) > _MOST_RULES:
        raise _Unusable(f"there are {len(tables)} rules, but {_MOST_RULES} are the most")
    names = set[str]()
    for number, table in enumerate(tables, 1):
        name = _text(table, "name", f"rule {number}")
        if not _NAME.fullmatch(name):
            raise _Unusable(f"rule {number}: name is {name!r}, but it must be letters, digits, - _ and . (1 to 100)")
        if name in names:
            raise _Unusable(f"rule {name!r}: there are two of this name")
        names.add(name)
        yield _rule(f"rule {name!r}", {"topic": default_topic, **table})


def _rule(where: str, table: Mapping[str, Any]) -> Rule:
    _known(table, tuple(Rule.__dataclass_fields__), where)
    if not _TOPIC.fullmatch(topic := _text(table, "topic", where)):
        raise _Unusable(f"{where}: topic is {topic!r}, but it must be the name of a topic")
    columns = tuple(_columns(table["columns"], where)) if "columns" in table else DEFAULT_COLUMNS
    channel = _text(table, "slack_channel", where) if "slack_channel" in table else None
    template = _text(table, "slack_text", where) if "slack_text" in table else None
    if template is not None:
        _check_template(template, {*IDENTITY, *columns}, where)
    condition = _text(table, "where", where)
    try:
        selection(condition)
    except RuleError as error:
        raise _Unusable(f"{where}: where, {error}") from None
    return Rule(table["name"], condition, topic, columns, channel, template)


def _known(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise _Unusable(f"{where}: {name!r} is no setting of it{_nearest(name, names)}")


def _nearest(name: str, names: tuple[str, ...]) -> str:
    (near,) = get_close_matches(name.lower(), names, 1) or [""]
    return f": did you mean {near}?" if near else f": there are {', '.join(names)}"


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Unusable(
            f"{where}: {key} must be a text that is not empty" if key in table else f"{where}: {key} is missing"
        )
    return value


def _columns(value: object, where: str) -> Iterator[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise _Unusable(f"{where}: columns must be a list of names")
    names = [name.lower() for name in value]
    for name in names:
        if name not in _COLUMNS and name not in IDENTITY:
            raise _Unusable(f"{where}: there is no column {name!r}{_nearest(name, tuple(_COLUMNS))}")
    # What belongs to an alert's identity is there in any case, and in its own place.
    return iter(dict.fromkeys(name for name in names if name not in IDENTITY))


def _check_template(template: str, fields: set[str], where: str) -> None:
    """See that a template reaches fields of the alert, and nothing inside or behind them."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise _Unusable(f"{where}: slack_text is no template: {error}") from None
    for _, field, spec, conversion in parts:
        if field is None:
            continue
        if spec or conversion:
            raise _Unusable(f"{where}: slack_text has {{{field}...}}, but a field is a name alone")
        if field not in fields:
            near = _nearest(field, tuple(sorted(fields)))
            raise _Unusable(f"{where}: slack_text has {{{field}}}, which the alert does not hold{near}")
