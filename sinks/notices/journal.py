"""The journal: what was taken, what was about to be posted, and how that ended. Pure but for the protocol.

Its records can be read in any order, so it needs no order between its partitions.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Literal, NamedTuple, Protocol

import msgspec

from .notice import Entry, Notice


class Taken(msgspec.Struct, frozen=True, tag="taken.v1"):
    """An entry that will be told."""

    entry: Entry

    @property
    def name(self) -> str:
        """The record's identity."""
        return f"taken {self.entry.key}"


class Intent(msgspec.Struct, frozen=True, tag="intent.v1"):
    """A message that is posted from now on."""

    notice: Notice

    @property
    def name(self) -> str:
        """The record's identity."""
        return f"intent {self.notice.id}"


class Ended(msgspec.Struct, frozen=True, tag="ended.v1"):
    """A message that was answered."""

    id: str
    at: int
    """Epoch milliseconds."""
    outcome: Literal["told", "refused"]
    """The keys of a refused message may come again."""
    clock: str = ""
    """The clock that only runs forward, which ``tick`` is of: it has the same name in the next process of a machine."""
    tick: float = 0.0
    """Seconds of that clock."""

    @property
    def name(self) -> str:
        """The record's identity."""
        return f"ended {self.id}"


Record = Taken | Intent | Ended

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record as a message's value."""
    return _encode(record)


def decode(value: bytes | None) -> Record:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is no record of a journal.
    """
    return _decoder.decode(value or b"")


class Journal(Protocol):
    """Where records are kept. Any thread may write."""

    def read(self) -> Iterable[Record]:
        """All that is there, before the first ``write``.

        Raises:
            SinkError: it cannot be read.
        """
        ...

    def write(self, record: Record) -> "Future[None]":
        """Write a record; the future is done when it is safe, and raises if it never will be."""
        ...

    def close(self) -> None:
        """End. Records that are not safe by then may be lost."""
        ...


class InDoubt(NamedTuple):
    """A message of which nobody knows whether it was posted."""

    notice: Notice
    entries: list[Entry]


class Told(NamedTuple):
    """A message that counts for the limits."""

    about: str | None
    ended: Ended

    def age(self, clock: str, now: float, wall: float) -> float:
        """Seconds since, at ``now`` of ``clock`` and ``wall`` in epoch seconds.

        If only the wall clock can tell, a time in the future counts as now: that clock has been put back since.
        """
        same = clock == self.ended.clock != "" and self.ended.tick <= now
        return now - self.ended.tick if same else max(wall - self.ended.at / 1000, 0.0)


class Recalled(NamedTuple):
    """What an earlier run left."""

    keys: list[str]
    """Told or in doubt, the oldest first."""
    waiting: list[Entry]
    in_doubt: list[InDoubt]
    told: list[Told]


class Recall:
    """Puts the records of a journal together."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, Entry] = OrderedDict()
        self._times: Counter[str] = Counter()  # taken, less those that were refused: a refused key may come again
        self._open: dict[str, Notice] = {}
        self._early: dict[str, Ended] = {}  # read before their intents
        self._told_by: OrderedDict[str, str] = OrderedDict()
        self._told: dict[str, Told] = {}
        self._ended: set[str] = set()

    def add(self, record: Record) -> None:
        """Take a record into account."""
        match record:
            case Taken(entry):
                if entry.key not in self._told_by:
                    self._taken[entry.key] = entry
                    self._times[entry.key] += 1
            case Intent(notice):
                if notice.id not in self._ended:
                    self._open[notice.id] = notice
                if early := self._early.pop(notice.id, None):
                    self._end(notice, early)
            case Ended(id=id_):
                if id_ in self._open:
                    self._end(self._open[id_], record)
                elif id_ not in self._ended:
                    self._early[id_] = record

    def _end(self, notice: Notice, ended: Ended) -> None:
        del self._open[notice.id]
        self._ended.add(notice.id)
        if ended.outcome == "refused":
            self._times.subtract(notice.keys)
            return
        self._told[notice.id] = Told(notice.about, ended)
        self._told_by.update(dict.fromkeys(notice.keys, notice.id))
        for key in notice.keys:
            self._taken.pop(key, None)
            self._times.pop(key, None)

    def result(self) -> Recalled:
        """What it comes to.

        A message in doubt that shares a key with another was never posted: had its intent been seen by the run that
        made the other, that run would have gone on with it.
        """
        in_doubt, keys = [], dict.fromkeys(self._told_by)
        for notice in sorted(self._open.values(), key=lambda notice: notice.at, reverse=True):
            if keys.keys().isdisjoint(notice.keys):
                keys.update(dict.fromkeys(notice.keys))
                in_doubt.append(InDoubt(notice, [self._taken[key] for key in notice.keys if key in self._taken]))
        waiting = [entry for key, entry in self._taken.items() if key not in keys and self._times[key] > 0]
        in_doubt.reverse()
        return Recalled([*keys], waiting, in_doubt, list(self._told.values()))
