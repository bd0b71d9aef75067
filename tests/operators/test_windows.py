"""The steps that count in windows: what crosses a kill, and what is late."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

from operators.batch import Batch
from operators.state import StateError
from operators.window_counts import Count, Key, Windows
from operators.windows import TallyLogic, WindowsLogic, count_in_windows

SECOND = 1000


def described(window: int, counts: Mapping[Key, Count]) -> list[tuple[int, list[tuple[str, int, int]]]]:
    return [(window, [(key[1], one.records, one.marks) for key, one in counts.items()])]


def windows() -> Windows[tuple[int, str], tuple[int, Any]]:
    """Of a second, open for another; each look at the clock is a minute after the last."""
    minutes = count(10_000_000)
    return Windows(
        SECOND,
        SECOND,
        keys=lambda records: [kind for _, kind in records],
        times=lambda records: [at for at, _ in records],
        origins=lambda records: [(0, at) for at, _ in records],
        tidy=lambda kind: (kind,),
        other=lambda key: (key[0], "others"),
        describe=described,
        clock=lambda: 60.0 * next(minutes),
    )


def run(
    step: str,
    items: list[Any],
    out: list[tuple[str, Batch[tuple[int, Any]]]],
    recovery: RecoveryConfig | None = None,
) -> None:
    flow = Dataflow("flow")
    records = op.input("in", flow, TestingSource(items))
    marked = op.filter("marked", records, lambda item: item[1][0][1] == "b")
    op.output("out", count_in_windows(step, records, marked, windows()), TestingSink(out))
    run_main(flow, epoch_interval=timedelta(0), recovery_config=recovery)


def last(out: list[tuple[str, Batch[tuple[int, Any]]]]) -> dict[int, Any]:
    return dict(window for _, batch in out for window in batch)


def test_records_and_marks_are_counted_and_late_ones_apart() -> None:
    out: list[tuple[str, Batch[tuple[int, Any]]]] = []
    early, further = ("exk", Batch([(500, "b")])), ("exk", Batch([(90_000, "a")]))
    run("late", [early, ("exk", Batch([(700, "a")])), *[further] * 20, early], out)
    assert last(out) == {0: [("b", 1, 1), ("a", 1, 0)], 90: [("a", 20, 0)]}
    found = {
        outcome: REGISTRY.get_sample_value("windows_records_total", {"step": "late", "outcome": outcome})
        for outcome in ("counted", "late")
    }
    assert found == {"counted": 22, "late": 1}
    assert REGISTRY.get_sample_value("windows_closed_until_seconds", {"step": "late"}) == 89
    assert REGISTRY.get_sample_value("windows_open", {"step": "late"}) == 1


def test_kills_at_each_item_leave_each_record_counted_once(tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)
    recovery = RecoveryConfig(str(tmp_path))
    items: list[Any] = [("exk", Batch([(number, "ab"[number % 2])])) for number in range(20)]
    out: list[tuple[str, Batch[tuple[int, Any]]]] = []
    for kill in range(1, 20):
        run("kills", [*items[:kill], TestingSource.ABORT(), *items[kill:]], out, recovery)
    run("kills", items, out, recovery)
    assert last(out) == {0: [("a", 10, 0), ("b", 10, 10)]}


@pytest.mark.parametrize("logic", [TallyLogic, WindowsLogic])
def test_a_state_of_another_version_is_refused_in_a_line(logic: Any) -> None:
    with pytest.raises(StateError, match=r"^the state of s in the recovery store is not operators\.\w+\.v1 "):
        logic("s", windows(), b"\x90")
