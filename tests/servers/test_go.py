"""Programs built by Go: once, or with the reason why not."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers import go as module
from servers.go import OwnProgram, Program

TOOL = Program("example.com/tools/cmd/tool", "v0")


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` that builds at once, or fails where there is a file `fails`; nothing is built before."""
    monkeypatch.setattr(module, "SERVERS", tmp_path / "cache")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    go = tmp_path / "go"
    go.write_text(
        '#!/bin/sh\necho "$@"\nif [ -e "$(dirname "$0")/fails" ]; then exit 1; fi\necho built > "$GOBIN/tool"\n'
    )
    go.chmod(0o755)
    return go


def test_it_is_built_once(go: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        built = {found.result() for found in [threads.submit(TOOL.built) for _ in range(4)]}
    assert built == {TOOL.path}
    assert [(found, found.read_text()) for found in TOOL.path.parent.iterdir()] == [(TOOL.path, "built\n")]
    go.with_name("fails").touch()
    assert TOOL.built() == TOOL.path


def test_a_failed_build_says_why_and_leaves_nothing(go: Path) -> None:
    go.with_name("fails").touch()
    with pytest.raises(RuntimeError, match=r"(?s)could not build.*\ninstall example.com/tools/cmd/tool@v0"):
        TOOL.built()
    assert list(TOOL.path.parent.iterdir()) == []


def test_a_program_of_ours_is_built_again_after_a_change(
    go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    source = tmp_path / "own" / "tool" / "main.go"
    source.parent.mkdir(parents=True)
    source.write_text("package main")
    before = OwnProgram.of("own/tool")
    assert before.built() == before.path
    source.write_text("package main // changed")
    after = OwnProgram.of("own/tool")
    assert after.built() == after.path != before.path
    assert OwnProgram.of("own/tool") == after


def test_without_go(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert TOOL.unavailable() is None
    monkeypatch.setenv("PATH", str(go.parent / "nowhere"))
    assert TOOL.unavailable() == "tool is built by Go: no `go` on the PATH"
    TOOL.path.parent.mkdir(parents=True)
    TOOL.path.touch()
    assert TOOL.unavailable() is None
