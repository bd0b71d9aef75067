"""The whole: `python -m demo`, as `make run` runs it."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from demo.__main__ import main
from servers.job import piped

SECONDS = 180
ACCOUNT = re.compile(
    r"ratings (?P<ratings>\d+) enriched (?P<enriched>\d+) alerts (?P<alerts>\d+) "
    r"dead-letters (?P<dead_letters>\d+) held (?P<held>\d+) lost (?P<lost>-?\d+) "
    r"documents (?P<documents>\d+) objects (?P<objects>\d+) rows (?P<rows>\d+) "
    r"counted (?P<counted>\d+) notified (?P<notified>\d+) digests (?P<digests>\d+)"
)


def demo(*options: str) -> subprocess.Popen[str]:
    return piped("demo", *options)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout, and stderr."""
    try:
        out, errors = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    return process.returncode, out.splitlines(), errors


def account(lines: list[str]) -> dict[str, int]:
    found = ACCOUNT.fullmatch(lines[-1])
    assert found, lines[-1]
    return {name: int(count) for name, count in found.groupdict().items()}


def until(process: subprocess.Popen[str], holds: Callable[[str], bool]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if holds(line):
            return
    pytest.fail(f"it ended: {process.communicate()[1]}")


def test_everything_comes_out() -> None:
    code, lines, errors = ended(demo("--for", "8", "--rate", "200", "--processes", "2"))
    counts = account(lines)
    assert (code, errors) == (0, "")
    assert 1300 < counts["ratings"] <= 1610
    assert counts["dead_letters"] == (counts["ratings"] + counts["dead_letters"]) // 333
    assert counts["enriched"] == counts["ratings"] - counts["held"]
    assert counts["lost"] == 0
    assert counts["documents"] == counts["rows"] == counts["enriched"]
    assert counts["objects"] > 0
    assert 0.04 < counts["alerts"] / counts["ratings"] < 0.25
    shown = sum(line.startswith("alert: ") for line in lines)
    more = sum(int(found[1]) for line in lines if (found := re.fullmatch(r"and (\d+) more alerts", line)))
    assert shown + more == counts["alerts"] == counts["notified"]
    told = [line for line in lines if line.startswith("slack: ")]
    assert counts["digests"] == sum("more poor review" in line for line in told) > 0
    assert len(told) > counts["digests"]


@pytest.fixture
def hangups() -> Iterator[None]:
    """What is started is ended by a hangup, even if the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("hangups")
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    process = demo()
    until(process, lambda line: line.startswith("alert: "))
    process.send_signal(number)
    code, lines, errors = ended(process)
    assert (code, errors) == (0, "")
    assert account(lines)["ratings"] > 0


def test_a_second_signal_ends_it_at_once() -> None:
    process = demo()  # its first line of rates comes after 5 s: by then ratings are held, and to be waited for
    until(process, lambda line: line.startswith("ratings "))
    process.send_signal(signal.SIGINT)
    until(process, lambda line: line.startswith("ending"))
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    code, _lines, errors = ended(process)
    assert code == 1
    assert errors == "stopped at once, without waiting for what was under way\n"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--rate", "0", "is not a number above 0"),
        ("--rate", "nan", "is not a number above 0"),
        ("--for", "-1", "is not a number above 0"),
        ("--for", "soon", "is not a number above 0"),
        ("--processes", "0", "is not a whole number from 1 to 16"),
        ("--processes", "17", "is not a whole number from 1 to 16"),
        ("--processes", "2.0", "is not a whole number from 1 to 16"),
    ],
)
def test_options_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str, value: str, reason: str
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", option, value])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err == f"python -m demo: argument {option}: {value!r} {reason}\n"
