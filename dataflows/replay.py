"""Sends the originals of dead letters to their input topics again: ``python -m dataflows.replay``."""

import argparse
import logging
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from dataflows import process
from dataflows.resend import Memory, Place, Reader, ReplayError, Sender, partitions_of
from dataflows.rules import topics_of
from dataflows.wiring.errors import StartupError, starting
from messages.dead_letter import DeadLetter, NotKept, Original, from_message, original
from messages.message import Message
from settings import Settings, SettingsError
from sources.kafka.topics import Topics

ABOUT = """\
Send the originals of dead letters again, once their cause is mended: each once, to the topic that it was read from,
with its key, headers and timestamp. The settings are those of the flow.

What was sent is remembered in a topic of its own (that of the dead letters with -replayed behind), in the transaction
that sends it: a second run sends nothing again, whatever filters it has and however the first one ended. What filters
pass over can be sent later. Originals that were too large for their letters, or gone from their topic, cannot be sent;
each of them is named. A run ends where the dead letters ended when it began.

A change of a customer is sent to the end of its topic, where it wins over changes that came after it. If there may be
such, send the ratings' letters by --step, and have the connector send the customers again.
"""

_RELATIVE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def since(text: str, now: datetime) -> int:
    """Epoch milliseconds of a time: epoch milliseconds, an age (``2h``, ``30m``, ``1d``), or ISO 8601 (UTC).

    Raises:
        ValueError: the text is none of these.
    """
    if text.isdecimal():
        return int(text)
    if relative := _RELATIVE.fullmatch(text):
        return round((now.timestamp() - float(relative[1]) * _SECONDS[relative[2]]) * 1000)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError("must be a time as 2026-11-27T08:00, how long ago as 2h, or epoch milliseconds") from None
    return round((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp() * 1000)


class Filters(NamedTuple):
    """The dead letters to replay: all, or those of one step, of one error, and from a time on."""

    step: str | None = None
    error: str | None = None
    since: int | None = None
    """Epoch milliseconds, compared with the timestamp of the dead letter, not of its original."""

    def pass_over(self, letter: DeadLetter, timestamp: int) -> bool:
        """Whether the filters exclude a letter that was written at ``timestamp``."""
        return (
            self.step not in {None, letter.step}
            or self.error not in {None, letter.error}
            or (self.since is not None and timestamp < self.since)
        )


@dataclass
class Tally:
    """The dead letters of a run, by outcome."""

    replayed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By step, error and topic."""
    skipped: Counter[str] = field(default_factory=Counter)
    cannot: Counter[str] = field(default_factory=Counter)

    def line(self, verb: str) -> str:
        """The closing line."""
        return f"{verb} {self.replayed.total()} skipped {_count(self.skipped)} cannot {_count(self.cannot)}"

    def table(self) -> str:
        """The replayed letters by step, error and topic."""
        rows = [("step", "error", "topic", "letters")]
        rows += [(*kind, str(count)) for kind, count in self.replayed.most_common()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)


def _count(reasons: Counter[str]) -> str:
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()} ({told})" if told else "0"


class Due(NamedTuple):
    """An original to be sent."""

    original: Original
    kind: tuple[str, str, str]
    """Its dead letter's step, error and topic."""
    letter: tuple[int, int]
    """The dead letter's partition and offset."""
    name: str


class Sorting:
    """Decides the fate of each dead letter, and the offset of each partition below which nothing is left to send.

    Args:
        filters: The letters to replay.
        memory: The originals that were sent.
        inputs: The topics that originals may be sent to.
        places: The first offset of each partition.
    """

    def __init__(self, filters: Filters, memory: Memory, inputs: Collection[str], places: Mapping[int, int]) -> None:
        self.places = dict(places)
        """Below these offsets nothing is left to send, in this run or a later one."""
        self.tally = Tally()
        self._filters, self._memory, self._inputs = filters, memory, inputs
        self._passed_over: set[int] = set()

    def sort(self, messages: Iterable[Message]) -> list[Due]:
        """The originals of these dead letters that must be sent, in the order of the originals."""
        due = []
        for message in messages:
            partition, offset = message.partition() or 0, message.offset() or 0
            found = self._judge(message)
            if isinstance(found, Due):
                due.append(found)
            if partition not in self._passed_over:
                self.places[partition] = offset + 1
        return sorted(due, key=lambda one: one.original[:3])

    def settle(self, due: Iterable[Due], refused: Mapping[Place, str]) -> None:
        """Count ``due`` as sent, except the originals in ``refused``."""
        for one in due:
            why = refused.get(one.original[:4])
            if why is None:
                self.tally.replayed[one.kind] += 1
            else:
                self._cannot(one.name, f"is refused by its topic: {why}")
                partition, offset = one.letter
                self._passed_over.add(partition)  # the next run may try it again
                self.places[partition] = min(self.places[partition], offset)

    def _judge(self, message: Message) -> Due | None:
        at = message.partition() or 0, message.offset() or 0
        name = f"{(message.key() or b'').decode(errors='replace')} (dead letter {at[0]}-{at[1]})"
        try:
            letter = from_message(message.value())
            if self._filters.pass_over(letter, message.timestamp()[1]):
                self._pass_over(at[0], "passed over by the filters")
                return None
            if letter.topic not in self._inputs:
                self._pass_over(at[0], f"of topic {letter.topic}, which is no input or does not exist")
                return None
            due = Due(original(letter), (letter.step, letter.error, letter.topic), at, name)
        except NotKept as error:
            self._cannot(name, str(error))
            return None
        if self._memory.holds(due.original):
            self.tally.skipped["sent before"] += 1
            return None
        self._memory.keep(due.original)
        return due

    def _pass_over(self, partition: int, why: str) -> None:
        """Leave a letter to a later run."""
        self.tally.skipped[why] += 1
        self._passed_over.add(partition)

    def _cannot(self, name: str, why: str) -> None:
        self.tally.cannot[why.partition(":")[0]] += 1
        say(f"cannot replay {name}: it {why}")


def replay(settings: Settings, filters: Filters, *, dry_run: bool) -> Tally:
    """Send the originals; in a dry run only count them.

    Raises:
        ReplayError, StartupError: one line for a person.
    """
    names, group = settings.topics, f"{settings.kafka.group_id}-replay"
    may_be_inputs = [names.ratings, names.customers, *topics_of(settings)]
    config: dict[str, Any] = {
        **settings.properties,
        "group.id": group,
        "logger": logging.getLogger("librdkafka"),
    }
    with starting(settings.properties):
        Topics(config, settings.kafka.startup_timeout, process.stopping)
    memory = Memory(f"{names.dead_letters}-replayed", config)
    partitions = partitions_of([*may_be_inputs, names.dead_letters, memory.topic], config)
    if names.dead_letters not in partitions:
        raise ReplayError(f"DEAD_LETTERS_TOPIC is {names.dead_letters!r}, but there is no such topic")
    inputs = {name: partitions[name] for name in may_be_inputs if name in partitions}
    sender = None
    if not dry_run:
        memory.create()
        sender = Sender(group, config, inputs, memory)  # from here on, no earlier run sends anything
    if not dry_run or memory.topic in partitions:
        memory.recall()
    reader = Reader(names.dead_letters, config)
    try:
        return _replay(reader, Sorting(filters, memory, inputs, reader.starts), sender, names.customers)
    finally:
        reader.close()


def _replay(reader: Reader, sorting: Sorting, sender: Sender | None, customers: str) -> Tally:
    committed, warned = dict(reader.starts), False

    def send(originals: Sequence[Original]) -> dict[Place, str]:
        if sender is None:
            return {}
        places = {at: place for at, place in sorting.places.items() if place != committed[at]}
        refused = sender.send(originals, reader.places(places), reader)
        if not refused:
            committed.update(places)
        return refused

    for messages in reader.read(process.stopping):
        due = sorting.sort(messages)
        if not warned and any(one.original.topic == customers for one in due):
            warned = True
            say(f"warning: changes of customers go to the end of {customers}, where they win over later ones")
        sorting.settle(due, send([one.original for one in due]))
    send(())
    if process.stopping():
        say("stopped before the end: the next run goes on from here")
    return sorting.tally


def say(line: str) -> None:
    """Print a line for a person."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dataflows.replay", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step", help="only letters of this step, as decode_ratings")
    parser.add_argument("--error", help="only letters of this kind of error, as UnknownSchema")
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=since_argument,
        help="only letters written from this time on: 2026-11-27T08:00 (UTC), 2h ago, or epoch milliseconds",
    )
    parser.add_argument("--dry-run", action="store_true", help="send nothing; show what would be, in a table")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        process.set_up(settings.log)
        tally = replay(settings, Filters(options.step, options.error, options.since), dry_run=options.dry_run)
    except (SettingsError, StartupError, ReplayError) as error:
        raise SystemExit(f"replay: {error}") from None
    if options.dry_run:
        print(tally.table())
    print(tally.line("would replay" if options.dry_run else "replayed"))


def since_argument(text: str) -> int:
    """``since`` for a command line.

    Raises:
        argparse.ArgumentTypeError: it is no time.
    """
    try:
        return since(text, datetime.now(timezone.utc))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main()
