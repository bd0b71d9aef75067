"""Ticks: one partition for each item, and a last word before they end."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main
from typing_extensions import override

from sources.tick import TickSource


class Once(StatefulSourcePartition[Any, None]):
    """Emits nothing, and ends."""

    @override
    def next_batch(self) -> list[Any]:
        raise StopIteration

    @override
    def snapshot(self) -> None:
        return None


class Former(FixedPartitionedSource[Any, None]):
    """The ticks of version 0.1, as a recovery store knows them."""

    @override
    def list_parts(self) -> list[str]:
        return ["tick"]

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Once:
        return Once()


def run(source: FixedPartitionedSource[Any, None], store: Path) -> list[Any]:
    flow, out = Dataflow("flow"), list[Any]()
    op.output("out", op.input("ticks", flow, source), TestingSink(out))
    run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(store))
    return out


def test_a_store_of_the_first_version_is_resumed_and_the_last_word_comes_from_each_partition(tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)
    assert run(Former(), tmp_path) == []
    asked = iter([False] * 4)
    source = TickSource(("a", "b"), ("bye",), every=timedelta(0), stopping=lambda: next(asked, True))
    out = run(source, tmp_path)
    assert sorted(out) == ["a", "a", "b", "b", "bye", "bye"]
