"""The steps that count records by key in windows of event time (``operators/window_counts.py``).

Each worker tallies its records, and hands its tally on once an epoch. One step, with a single key, adds the tallies of
all workers up: what reaches it is a few hundred sums a second, however many records there are. Both keep what they have
in the recovery store, so the counts are exact whatever is killed.

A tally is handed on when its epoch has ended. So a record and its marks, which come by other steps, are always in one
tally, and are counted together or late together.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, NamedTuple, TypeVar

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import StatefulBatchLogic
from prometheus_client import Counter, Gauge
from typing_extensions import override

from operators.batch import KEY_GROUPS, Batch
from operators.each import Batches
from operators.state import TallyState, WindowsState, pack, unpack
from operators.window_counts import Count, OpenWindows, Sums, Tally, Windows

X = TypeVar("X")
Y = TypeVar("Y")

_records = Counter(
    "windows_records",
    "Records by outcome: counted, late (their window is closed), future (their window begins later than now and the "
    "lateness), undated (no usable time). A record that is not counted under its own key, because its window has too "
    "many keys, also counts as folded",
    ["step", "outcome"],
)
_early = Counter(
    "windows_closed_early", "Windows that were closed before their time, because too many keys were open", ["step"]
)
_open = Gauge("windows_open", "Windows that still take records", ["step"])
_until = Gauge("windows_closed_until_seconds", "Time from 1970 to the end of the last closed window", ["step"])

OUTCOMES = "counted", "late", "future", "undated", "folded"

_REST = timedelta(milliseconds=100)
"""How soon a tally is handed on after its epoch if no more records come."""


class Marked(NamedTuple):
    """Records of a batch that are marked, among those that are counted."""

    records: Batch[Any]


@operator
def count_in_windows(
    step_id: str, up: Batches[X], marked: Batches[X], windows: Windows[X, Y]
) -> Stream[tuple[str, Batch[Y]]]:
    """Count the records of ``up`` by key and window, and emit what ``windows`` describes of each window that changed.

    It is emitted again with every change, about once an epoch for each worker: a reader keeps the last.

    Args:
        step_id: Unique in the flow; metrics name it.
        up: Batches of records, each batch under a key group of its worker.
        marked: Records of ``up`` once more, in the same epoch: their keys' marks.
        windows: How they are counted.
    """
    name = step_id.rsplit(".", 1)[-1]
    both = op.merge("both", up, op.map_value("marked", marked, Marked))
    tallies = op.stateful_batch("tally", both, lambda state: TallyLogic(name, windows, state))
    together = op.map("together", tallies, lambda item: (KEY_GROUPS[0], item[1]))
    return op.stateful_batch("windows", together, lambda state: WindowsLogic(name, windows, state))


class TallyLogic(StatefulBatchLogic[Any, Sums, bytes], Generic[X, Y]):
    """Tallies the records of one worker."""

    def __init__(self, step: str, windows: Windows[X, Y], state: bytes | None) -> None:
        self._windows = windows
        self._whole = Sums.empty() if state is None else unpack(state, TallyState, step).sums()
        """What came in epochs that have ended."""
        self._tally = Tally(windows)
        """What came in this epoch."""

    @override
    def on_batch(self, values: list[Any]) -> tuple[list[Sums], bool]:
        for value in values:
            if isinstance(value, Marked):
                self._tally.mark(value.records)
            else:
                self._tally.add(value)
        return self._hand_on(), False

    @override
    def on_notify(self) -> tuple[list[Sums], bool]:
        return self._hand_on(), False

    @override
    def on_eof(self) -> tuple[list[Sums], bool]:
        self._end_epoch()
        return self._hand_on(), False

    @override
    def notify_at(self) -> datetime | None:
        return datetime.now(timezone.utc) + _REST if self._whole or self._tally else None

    @override
    def snapshot(self) -> bytes:
        self._end_epoch()
        return pack(TallyState.of(self._whole))

    def _end_epoch(self) -> None:
        self._whole.add(self._tally.sums())
        self._tally = Tally(self._windows)

    def _hand_on(self) -> list[Sums]:
        if not self._whole:
            return []
        sums, self._whole = self._whole, Sums.empty()
        return [sums]


class WindowsLogic(StatefulBatchLogic[Sums, Batch[Y], bytes], Generic[X, Y]):
    """Adds the tallies of all workers up."""

    def __init__(self, step: str, windows: Windows[X, Y], state: bytes | None) -> None:
        before = WindowsState() if state is None else unpack(state, WindowsState, step)
        self._open = OpenWindows(
            windows,
            [(key, Count(records, marks)) for key, records, marks in before.counts],
            before.progress,
            before.closed,
            before.closing,
        )
        self._outcomes = {outcome: _records.labels(step, outcome) for outcome in OUTCOMES}
        self._early, self._gauge, self._until = _early.labels(step), _open.labels(step), _until.labels(step)
        self._end: Callable[[int], float] = lambda window: window * windows.size / 1000
        self._show()

    @override
    def on_batch(self, values: list[Sums]) -> tuple[list[Batch[Y]], bool]:
        emitted, outcomes = self._open.add(values)
        for outcome, number in outcomes.items():
            self._outcomes[outcome].inc(number)
        return [Batch(emitted)] if emitted else [], False

    @override
    def snapshot(self) -> bytes:
        self._early.inc(self._open.end_epoch())
        self._show()
        counts = [
            (key, count.records, count.marks) for counts in self._open.counts.values() for key, count in counts.items()
        ]
        return pack(WindowsState(counts, self._open.progress, self._open.closed, self._open.closing))

    def _show(self) -> None:
        self._gauge.set(len(self._open.counts))
        self._until.set(self._end(self._open.closed))
