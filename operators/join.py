"""A stream joined with a table: each record with its key's row as it is now.

The table is the other input's changes, the last one of a key winning, unless it is stale by its version: then it is
passed over. The table lives in memory only and is rebuilt from the start of its topic at every
start: nothing is joined before a key group has the marker (``Loaded``) of each of the topic's partitions. Measured with
a million customers this starts three times faster than a table in the recovery store.

A record whose key has no row is held for a grace period, in case the row is on its way, and released in order when
the row comes; after it, it is unmatched. What is held is the join's only state in the recovery store.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Generic, Literal, NamedTuple, Sequence, TypeVar  # noqa: UP035 - Bytewax takes collections.abc's for a class on Python 3.10

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Stream, operator
from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter, Gauge
from typing_extensions import override

from operators.batch import Batch
from operators.decode import Loaded
from operators.failure import Failing, Failure, Failures
from operators.gather import Home
from operators.limit import FailureLimit, TooManyFailures
from operators.state import JoinState, pack, unpack

L = TypeVar("L")
R = TypeVar("R")
C = TypeVar("C")
V = TypeVar("V")
O = TypeVar("O")  # noqa: E741

Unmatched = Literal["emit", "drop", "dead-letter"]

_joined = Counter(
    "join_records",
    "Records joined, by outcome: matched (at once), late (matched after a wait), emitted (without a row), dropped, "
    "dead_letter. A record that left early because too many waited also counts as evicted. A record that raised counts "
    "in step_failures instead",
    ["step", "outcome"],
)
_stale = Counter(
    "join_stale_changes",
    "Changes of the table that were ignored: a newer one is known. A change of all keys counts once per key group",
    ["step"],
)
_untold = Counter(
    "join_untold_columns",
    "Columns whose values the database did not send, by outcome: kept (value of the known row), null (no known row)",
    ["step", "outcome"],
)
_held = Gauge("join_held", "Records that wait for a row with their key", ["step"])
_rows = Gauge("join_table_rows", "Rows of the table in this process", ["step"])


@dataclass(frozen=True)
class JoinOut(Generic[L, O]):
    """Streams of a join."""

    joined: Stream[tuple[str, Batch[O]]]
    """What a worker joins at a time is one batch, under the key of its first key group (``operators.gather``)."""
    unmatched: Stream[tuple[str, Batch[L]]]
    """Records that no row came for, where the policy is dead-letter; else nothing."""
    errs: Stream[tuple[str, Failures]]
    """Records and changes that a function of the join raised for."""


@dataclass(frozen=True)
class Join(Generic[L, C, R, V, O]):
    """How a stream and a table are joined."""

    record_type: type[L]
    """The type of the stream's records; for what is held to be read back from the recovery store."""
    key: Callable[[L], int]
    """A record's key."""
    change: Callable[[C], tuple[int | None, R | None, V, Sequence[str]]]
    """A change's key, new row, version, and the names of the columns that its row does not tell, mostly none.

    No row deletes the key, no key deletes all.
    """
    stale: Callable[[V, V], bool]
    """Whether, a version being known (first), a change of another (second) must not replace it."""
    advance: Callable[[V, V], V]
    """The version to remember, a version being known (first), after a change of another (second) that is not stale."""
    complete: Callable[[R | None, R, Sequence[str]], R]
    """A new row (second) with the columns that it does not tell as in the row known before, if there is any (first)."""
    combine: Callable[[L, R], O]
    """The record made of a record and its row. It may be called again for a record whose batch it raises in."""
    grace: timedelta
    """How long a record waits for a row."""
    unmatched: Unmatched
    """The end of the wait: the record is combined with ``no_row``, dropped, or sent to the ``unmatched`` stream."""
    max_held: int = 12_500
    """The most records of a key group that wait. Above it the oldest are unmatched before their time."""
    max_deleted: int = 10_000
    """The most deleted keys of a key group whose versions are remembered. Above it the oldest are forgotten."""
    no_row: R = None  # type: ignore[assignment]  # for rows of which None is one
    """Stands for the row of a record without one."""
    on_loaded: Callable[[], None] = lambda: None
    """Called in each process when the table is complete, once a key group."""
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)


class Changes(NamedTuple):
    """An item of the table's stream, among those of the other: only they are wrapped, since they are fewer."""

    item: Any
    """A batch of changes, or a marker."""


class _Out(msgspec.Struct):
    joined: Batch[Any]
    # Nearly always there are none.
    unmatched: Batch[Any] | tuple[()] = ()
    failures: Failures | tuple[()] = ()


@operator
def join_table(
    step_id: str,
    stream: Stream[tuple[str, Batch[L] | Loaded]],
    table: Stream[tuple[str, Batch[C] | Loaded]],
    join: Join[L, C, R, V, O],
    limit: Callable[[], FailureLimit],
) -> JoinOut[L, O]:
    """Join each record of ``stream`` with the row that ``table`` has for its key.

    Both streams are keyed by key group and are merged before the join: what one process sends to a key group
    arrives in the order in which it was sent.

    Args:
        step_id: Unique in the flow; failures and metrics name it.
        stream: Batches of records.
        table: Batches of changes, and the markers of loading.
        join: How they are joined.
        limit: Makes the limits of the records and of the changes: each stops the flow when too many of them fail.
    """
    name = step_id.rsplit(".", 1)[-1]
    bad_records, bad_changes = Failing(name, limit()), Failing(name, limit())
    changes = op.map_value("table", table, Changes)
    both = op.merge("both", stream, changes)
    out = op.stateful_batch("join", both, lambda state: TableJoin(name, join, bad_records, bad_changes, state))
    home = Home()
    return JoinOut(
        joined=op.flat_map_batch(
            "joined", out, lambda items: home.gather([(key, one.joined) for key, one in items if one.joined])
        ),
        unmatched=op.flat_map_batch(
            "unmatched", out, lambda items: [(key, one.unmatched) for key, one in items if one.unmatched]
        ),
        errs=op.flat_map_batch(
            "failed", out, lambda items: [(key, one.failures) for key, one in items if one.failures]
        ),
    )


class TableJoin(StatefulBatchLogic[Any, _Out, bytes], Generic[L, C, R, V, O]):
    """The join of one key group."""

    def __init__(
        self,
        step: str,
        join: Join[L, C, R, V, O],
        bad_records: Failing,
        bad_changes: Failing,
        state: bytes | None,
    ) -> None:
        self._join = join
        self._bad_records, self._bad_changes = bad_records, bad_changes
        self._matches = 0
        """Records matched since the last snapshot."""
        self._told = 0
        """The number of joined records in this batch that were reported to the limit."""
        self._table: dict[int, R] = {}
        # Last known versions: of rows in the table; of deleted keys, most recent last; of the last truncate.
        self._versions: dict[int, V] = {}
        self._deleted: OrderedDict[int, V] = OrderedDict()
        self._truncated: V | None = None
        self._to_load: set[int] | None = None
        self._loaded = False
        # Records that came before the table was complete, those of the last run first.
        self._early: list[L] = [] if state is None else unpack(state, JoinState[join.record_type], step).records  # type: ignore[name-defined]
        # What waits, oldest first, and the tickets of each key in the same order.
        self._held: OrderedDict[int, tuple[datetime, L]] = OrderedDict()
        self._tickets: dict[int, list[int]] = {}
        self._next_ticket = 0
        self._matched, self._late, self._evicted = (_joined.labels(step, o) for o in ("matched", "late", "evicted"))
        self._given_up = _joined.labels(
            step, {"emit": "emitted", "drop": "dropped", "dead-letter": "dead_letter"}[join.unmatched]
        )
        self._stale = _stale.labels(step)
        self._kept, self._null = (_untold.labels(step, outcome) for outcome in ("kept", "null"))
        self._held_gauge, self._rows_gauge = _held.labels(step), _rows.labels(step)
        self._held_gauge.inc(len(self._early))

    @override
    def on_batch(self, values: list[Any]) -> tuple[list[_Out], bool]:
        out = _Out(Batch())
        waiting, rows = len(self._held) + len(self._early), len(self._table)
        for value in values:
            item = value.item if isinstance(value, Changes) else value
            if isinstance(item, Loaded):
                self._load(item, out)
            elif item is not value:
                self._change(item, out)
            elif self._loaded:
                self._match(item, out)
            else:
                self._early += item
        while len(self._held) > self._join.max_held:
            self._evicted.inc()
            self._give_up(out)
        if held := len(self._held) + len(self._early) - waiting:
            self._held_gauge.inc(held)
        if added := len(self._table) - rows:
            self._rows_gauge.inc(added)
        return self._emit(out)

    @override
    def on_notify(self) -> tuple[list[_Out], bool]:
        out = _Out(Batch())
        waiting, now = len(self._held), self._join.clock()
        while self._held and next(iter(self._held.values()))[0] <= now:
            self._give_up(out)
        self._held_gauge.inc(len(self._held) - waiting)
        return self._emit(out)

    @override
    def notify_at(self) -> datetime | None:
        return next(iter(self._held.values()))[0] if self._held else None

    @override
    def snapshot(self) -> bytes:
        self._matched.inc(self._matches)
        self._matches = 0
        return pack(JoinState([*(record for _, record in self._held.values()), *self._early]))

    def _load(self, marker: Loaded, out: _Out) -> None:
        if self._to_load is None:
            self._to_load = set(range(marker.partitions))
        self._to_load.discard(marker.partition)
        if not self._to_load and not self._loaded:
            self._loaded = True
            self._join.on_loaded()
            early, self._early = self._early, []
            self._match(early, out)

    def _match(self, records: list[L], out: _Out) -> None:
        join, append = self._join, out.joined.append
        combine, already = join.combine, len(out.joined)
        unknown: list[L] = []
        apart: list[L] = []
        try:
            rows = list(map(self._table.get, map(join.key, records)))
            if all(rows):  # as nearly always: without a line of Python a record
                out.joined.extend(map(combine, records, rows))  # type: ignore[arg-type]  # none is None
            else:
                for record, row in zip(records, rows, strict=True):
                    if row is None:
                        unknown.append(record)
                    else:
                        append(combine(record, row))
        except Exception:  # one of the records is to blame
            del out.joined[already:]
            apart = records
        if apart:
            unknown = self._match_one_by_one(apart, out)
        self._matches += len(out.joined) - already
        if unknown:
            self._hold(unknown)

    def _match_one_by_one(self, records: list[L], out: _Out) -> list[L]:
        unknown: list[L] = []
        for record in records:
            try:
                row = self._table.get(self._join.key(record))
                if row is None:
                    unknown.append(record)
                else:
                    out.joined.append(self._join.combine(record, row))
            except Exception as error:
                self._fail(record, error, out)
        return unknown

    def _combine(self, record: L, row: R, out: _Out) -> bool:
        """Join one record; whether that was possible."""
        try:
            out.joined.append(self._join.combine(record, row))
        except Exception as error:
            self._fail(record, error, out)
            return False
        return True

    def _fail(self, record: L, error: Exception, out: _Out) -> None:
        self._tell(len(out.joined))
        self._leave(self._bad_records.failure(record, error), out)

    def _leave(self, failure: Failure, out: _Out) -> None:
        failures = out.failures or Failures()
        failures.append(failure)
        out.failures = failures

    def _tell(self, joined: int) -> None:
        """Report to the limit those of ``joined`` records that it does not know of yet."""
        self._bad_records.passed(joined - self._told)
        self._told = joined

    def _hold(self, records: list[L]) -> None:
        until = self._join.clock() + self._join.grace
        for ticket, record in enumerate(records, self._next_ticket):
            self._held[ticket] = until, record
            self._tickets.setdefault(self._join.key(record), []).append(ticket)
        self._next_ticket += len(records)

    def _change(self, changes: list[C], out: _Out) -> None:
        told = 0
        for at, change in enumerate(changes):
            try:
                self._apply(*self._join.change(change), out)
            except TooManyFailures:  # of the records that waited for the change
                raise
            except Exception as error:
                self._bad_changes.passed(at - told)
                told = at + 1
                self._leave(self._bad_changes.failure(change, error), out)
        self._bad_changes.passed(len(changes) - told)
        while len(self._deleted) > self._join.max_deleted:
            self._deleted.popitem(last=False)

    def _apply(self, key: int | None, row: R | None, version: V, untold: Sequence[str], out: _Out) -> None:
        stale = self._join.stale
        if self._truncated is not None and stale(self._truncated, version):
            self._stale.inc()
            return
        if key is None:
            self._truncate(version)
            return
        known = self._versions.get(key)
        if known is None:
            known = self._deleted.get(key)
        if known is not None:
            if stale(known, version):
                self._stale.inc()
                return
            version = self._join.advance(known, version)
        if row is None:
            self._delete(key, version)
            return
        if untold:
            row = self._complete(self._table.get(key), row, untold)
        self._table[key] = row
        self._versions[key] = version
        self._deleted.pop(key, None)
        if key in self._tickets:
            self._release(key, row, out)

    def _complete(self, known: R | None, row: R, untold: Sequence[str]) -> R:
        (self._null if known is None else self._kept).inc(len(untold))
        return self._join.complete(known, row, untold)

    def _delete(self, key: int, version: V) -> None:
        self._table.pop(key, None)
        self._versions.pop(key, None)
        self._deleted[key] = version
        self._deleted.move_to_end(key)

    def _truncate(self, version: V) -> None:
        """Delete what is not newer: partitions differ in how far they are read, so that a newer row may be here."""
        join, truncated = self._join, self._truncated
        for key in list(self._table):
            known = self._versions[key]
            if not join.stale(known, version):
                self._delete(key, join.advance(known, version))
        self._truncated = version if truncated is None else join.advance(truncated, version)

    def _release(self, key: int, row: R, out: _Out) -> None:
        records = [self._held.pop(ticket)[1] for ticket in self._tickets.pop(key)]
        self._late.inc(sum(self._combine(record, row, out) for record in records))

    def _give_up(self, out: _Out) -> None:
        """Let the oldest held record go its way without a row."""
        _, (_, record) = self._held.popitem(last=False)
        key = self._join.key(record)
        del self._tickets[key][0]
        if not self._tickets[key]:
            del self._tickets[key]
        if self._join.unmatched == "emit" and not self._combine(record, self._join.no_row, out):
            return
        if self._join.unmatched == "dead-letter":
            unmatched = out.unmatched or Batch()
            unmatched.append(record)
            out.unmatched = unmatched
        self._given_up.inc()

    def _emit(self, out: _Out) -> tuple[list[_Out], bool]:
        self._tell(len(out.joined))
        self._told = 0
        return ([out] if out.joined or out.unmatched or out.failures else []), False
