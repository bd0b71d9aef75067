"""The recovery store, read before Bytewax opens it: where it is, and which keys it holds."""

from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflows import store


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        pytest.param([], None, None, id="none"),
        pytest.param([], "", None, id="an empty variable"),
        pytest.param([], "/a", "/a", id="the variable"),
        pytest.param(["flow", "-r", "/b", "-s", "1"], "/a", "/b", id="the option, which wins"),
        pytest.param(["flow", "-r/b"], None, "/b", id="in one word"),
        pytest.param(["flow", "--recovery-directory", "/b"], None, "/b", id="the long option"),
        pytest.param(["flow", "--recovery-directory=/b"], None, "/b", id="the long option, in one word"),
        pytest.param(["flow", "--reco=/b"], None, "/b", id="the long option, shortened"),
    ],
)
def test_where_it_is(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None, expected: str | None
) -> None:
    monkeypatch.delenv("BYTEWAX_RECOVERY_DIRECTORY", raising=False)
    if variable is not None:
        monkeypatch.setenv("BYTEWAX_RECOVERY_DIRECTORY", variable)
    assert store.directory(arguments) == (Path(expected) if expected else None)


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
