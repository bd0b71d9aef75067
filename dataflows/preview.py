"""Shows which enriched ratings a rule would have caught: ``python -m dataflows.preview "stars < 3"``."""

import argparse
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

from dataflows import process
from dataflows.replay import since_argument
from dataflows.rules import load, selection_of_copies
from dataflows.tail import Tail
from dataflows.wiring.errors import StartupError, starting
from messages.message import Message
from operators.rules import RuleError, Select
from records.enriched import EnrichedRating
from records.read_enriched import read
from settings import Settings, SettingsError
from sources.kafka.topics import Topics

ABOUT = """\
Show which enriched ratings an SQL condition would have caught, before it is a rule of the job:

  python -m dataflows.preview "stars < 3 AND club_status = 'platinum'" --since 1d

The ratings are read from ENRICHED_TOPIC with the settings of the job; nothing is committed. docs/alerts.md has the
language. The closing line tells how many ratings were looked at, how many matched, and how many that is a day.
"""

_WIDTHS = {"rating_ts": 19, "stars": 5, "full_name": 22, "club_status": 11, "channel": 12, "message": 60}
_NAME_WIDTH = 22
_DAY = timedelta(days=1) / timedelta(milliseconds=1)


@dataclass
class Tally:
    """What became of the ratings that were looked at."""

    looked_at: int = 0
    unreadable: int = 0
    first: int | None = None
    last: int | None = None
    """The earliest and the latest timestamp, epoch milliseconds."""
    matched: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    """By rule: ratings for which it has no answer, because a CAST fails for instance."""

    def saw(self, ratings: Sequence[EnrichedRating]) -> None:
        """Count ratings."""
        self.looked_at += len(ratings)
        times = [rating.rating_ts for rating in ratings]
        self.first = min([*times, *([] if self.first is None else [self.first])], default=None)
        self.last = max([*times, *([] if self.last is None else [self.last])], default=None)

    def lines(self, rules: Sequence[str]) -> Iterator[str]:
        """The closing lines, one a rule."""
        span = (self.last or 0) - (self.first or 0)
        for rule in rules:
            matched, failed = self.matched[rule], self.failed[rule]
            rate = matched * _DAY / span if span else None
            a_day = "unknown" if rate is None else f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}"
            yield "".join(
                (
                    f"{rule}: " if rule else "",
                    f"looked at {self.looked_at:,} matched {matched:,} a day {a_day}",
                    f" failed {failed:,}" if failed else "",
                    f" unreadable {self.unreadable:,}" if self.unreadable else "",
                )
            )


class Preview:
    """The rules of a preview, each with its name; one without a name is the only one."""

    def __init__(self, rules: dict[str, Select[EnrichedRating]]) -> None:
        self.tally = Tally()
        self._rules = rules

    def header(self) -> str:
        """The first line of the table."""
        return self._row("rule", list(_WIDTHS))

    def look(self, messages: Sequence[Message]) -> Iterator[str]:
        """A line of the table for each rating that meets a rule."""
        ratings = []
        for message in messages:
            try:
                ratings.append(read(message.value() or b""))
            except Exception:  # whatever is on the topic, the next one is looked at
                self.tally.unreadable += 1
        self.tally.saw(ratings)
        for rule, select in self._rules.items():
            for rating in self._select(rule, select, ratings):
                self.tally.matched[rule] += 1
                cells = [time(rating.rating_ts), *(getattr(rating, name) for name in list(_WIDTHS)[1:])]
                yield self._row(rule, cells)

    def closing(self) -> Iterator[str]:
        """The closing lines."""
        return self.tally.lines(list(self._rules))

    def _select(self, rule: str, select: Select[EnrichedRating], ratings: list[EnrichedRating]) -> list[EnrichedRating]:
        try:
            return select(ratings)
        except Exception:  # one of them is to blame
            if len(ratings) == 1:
                self.tally.failed[rule] += 1
                return []
        return [found for rating in ratings for found in self._select(rule, select, [rating])]

    def _row(self, rule: str, cells: Sequence[Any]) -> str:
        shown = [cell(value, width) for value, width in zip(cells, _WIDTHS.values(), strict=True)]
        return "  ".join([*([] if "" in self._rules else [cell(rule, _NAME_WIDTH)]), *shown]).rstrip()


def cell(value: object, width: int) -> str:
    """A value of that width. What could move the cursor or turn the line around is shown as a mark."""
    text = "" if value is None else str(value)
    plain = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:width])
    return f"{plain[: width - 1]}…" if len(text) > width else plain.ljust(width)


def time(milliseconds: int) -> str:
    """A timestamp in UTC, or the number if it is no date."""
    try:
        return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)).strftime("%F %T")
    except OverflowError:
        return str(milliseconds)


def preview(settings: Settings, rules: dict[str, Select[EnrichedRating]], options: argparse.Namespace) -> None:
    """Print the table and the closing lines.

    Raises:
        StartupError: one line for a person.
    """
    config: dict[str, Any] = {
        **settings.properties,
        "group.id": f"{settings.kafka.group_id}-preview",
        "logger": logging.getLogger("librdkafka"),
    }
    shown = Preview(rules)
    with starting(settings.properties):
        Topics(config, settings.kafka.startup_timeout, process.stopping)
        tail = Tail(settings.topics.enriched, config)
        try:
            print(shown.header(), flush=True)
            starts = tail.last(options.last) if options.since is None else tail.since(options.since)
            for messages in tail.read(starts, follow=options.follow, stopping=process.stopping):
                for line in shown.look(messages):
                    print(line)
                sys.stdout.flush()
        finally:
            tail.close()
    for line in shown.closing():
        print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dataflows.preview", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("where", nargs="?", help="an SQL condition over the columns of an enriched rating")
    what.add_argument("--rules", metavar="FILE", type=Path, help="each rule of a file, as ALERT_RULES names it")
    where_from = parser.add_mutually_exclusive_group()
    where_from.add_argument("--last", metavar="N", type=_count, default=10_000, help="so many ratings (%(default)s)")
    where_from.add_argument(
        "--since",
        metavar="TIME",
        type=since_argument,
        help="ratings written from this time on: 2026-11-27T08:00 (UTC), 2h ago, or epoch milliseconds",
    )
    parser.add_argument("--follow", action="store_true", help="go on with ratings as they are written, until Ctrl-C")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        rules = (
            {"": selection_of_copies(options.where)}
            if options.rules is None
            else {rule.name: selection_of_copies(rule.where) for rule in load(options.rules, settings.topics.alerts)}
        )
    except (RuleError, SettingsError, StartupError) as error:
        _end(str(error), 2)
    process.set_up(settings.log)
    try:
        preview(settings, rules, options)
    except StartupError as error:
        _end(settings.name_files(str(error)), 1)
    except BrokenPipeError:  # whoever read the table has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(line: str, code: int) -> NoReturn:
    print(f"preview: {line}", file=sys.stderr, flush=True)
    raise SystemExit(code)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError("must be a number")
    return int(text)


if __name__ == "__main__":
    main()
