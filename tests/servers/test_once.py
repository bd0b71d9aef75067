"""Something is made once, whatever number of processes wants it at a time."""

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from servers import once as module
from servers.job import environment
from servers.once import once
from servers.process import ROOT

MAKER = """
import sys, time
from pathlib import Path
from servers.once import once

def make(into):
    with Path(sys.argv[1]).with_name("made").open("a") as made:
        made.write("x")
    time.sleep(0.5)
    (into / "thing").write_text("whole")
    return into / "thing"

print(once(Path(sys.argv[1]), make).read_text())
"""


@pytest.fixture(autouse=True)
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of this test; other processes of the tests hold the real one while they download."""
    monkeypatch.setattr(module, "SERVERS", tmp_path / "lock")


def test_processes_that_want_the_same(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "thing"
    command = [sys.executable, "-c", MAKER, str(target)]
    makers = [
        subprocess.Popen(command, cwd=ROOT, env=environment({}), stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [(maker.communicate(timeout=60)[0], maker.returncode) for maker in makers] == [("whole\n", 0)] * 3
    assert (target.with_name("made").read_text(), sorted(target.parent.iterdir())) == (
        "x",
        [target.with_name("made"), target],
    )


def test_a_failure_leaves_nothing_and_the_next_call_makes_it(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "thing"

    def fail(into: Path) -> Path:
        (into / "half").touch()
        raise RuntimeError("no network")

    def make(into: Path) -> Path:
        (into / "whole").mkdir()
        return into / "whole"

    with pytest.raises(RuntimeError, match="no network"):
        once(target, fail)
    assert list(target.parent.iterdir()) == []
    assert once(target, make).is_dir()
    assert once(target, fail) == target


def test_the_wait_for_another_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    began, end = Event(), Event()

    def slowly(into: Path) -> Path:
        began.set()
        assert end.wait(30)
        (into / "slow").touch()
        return into / "slow"

    thread = Thread(target=once, args=(tmp_path / "slow", slowly))
    thread.start()
    try:
        assert began.wait(30)
        with pytest.raises(TimeoutError, match="another process has the lock on"):
            once(tmp_path / "other", slowly)
    finally:
        end.set()
        thread.join()
    assert (tmp_path / "slow").exists()
