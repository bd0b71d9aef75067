"""The recovery store, read before Bytewax opens it."""

from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflows import store


def test_the_keys_of_a_step(tmp_path: Path) -> None:
    assert store.keys(None, "flow.in") == []
    assert store.keys(tmp_path, "flow.in") == []
    init_db_dir(tmp_path, 3)
    assert store.keys(tmp_path, "flow.in") == []
    flow = Dataflow("flow")
    op.output("out", op.input("in", flow, TestingSource([1, 2, 3])), TestingSink([]))
    run_main(flow, recovery_config=RecoveryConfig(str(tmp_path)))
    assert store.keys(tmp_path, "flow.in") == ["iterable"]
    assert store.keys(tmp_path, "flow.other") == []
