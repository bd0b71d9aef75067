"""What a process knows of how it was started."""

import sys
from pathlib import Path

import pytest

from dataflows import runtime


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
def test_where_the_recovery_store_is(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None, expected: str | None
) -> None:
    monkeypatch.delenv("BYTEWAX_RECOVERY_DIRECTORY", raising=False)
    if variable is not None:
        monkeypatch.setenv("BYTEWAX_RECOVERY_DIRECTORY", variable)
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    assert runtime.recovery_store() == (Path(expected) if expected else None)


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        pytest.param([], None, 1, id="by default"),
        pytest.param([], "3", 3, id="the variable"),
        pytest.param(["flow", "-w", "2"], "3", 2, id="the option, which wins"),
        pytest.param(["flow", "-w2"], None, 2, id="in one word"),
        pytest.param(["flow", "--workers-per-process=2"], None, 2, id="the long option"),
        pytest.param(["flow", "-w", "many"], None, 1, id="Bytewax refuses it"),
    ],
)
def test_how_many_workers_there_are(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str | None, expected: int
) -> None:
    monkeypatch.delenv("BYTEWAX_WORKERS_PER_PROCESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("BYTEWAX_WORKERS_PER_PROCESS", variable)
    monkeypatch.setattr(sys, "argv", ["run", *arguments])
    assert runtime.workers() == expected
