"""The log: what machines read of a line, and that people read it as before."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from servers.process import ROOT

SCRIPT = """
import logging, sys, threading, time, warnings
from monitoring.log import last_line, set_up
from settings.log import Log

set_up(Log())  # another call follows
set_up(Log(LOG_FORMAT=sys.argv[1]), flow="ratings", process=3)
log = logging.getLogger("room.part")
log.info("made topic %s with %d partitions", "ratings", 4)
log.warning("%s", "10.0.0.1 is down", extra={"event": "a host is down", "port": 9092})
log.debug("not shown")
logging.getLogger("librdkafka").error("not shown")
logging.getLogger("other").info("%(what)s", {"what": "by name"})
log.info("an object: %s", object)
warnings.warn("old", DeprecationWarning)
warnings.warn("odd")


def divide(secret="hush"):
    return 1 // 0


try:
    divide()
except ZeroDivisionError:
    log.exception("cannot divide %d", 1)
thread = threading.Thread(target=divide, name="divider")
thread.start()
thread.join()
if sys.argv[2] == "line":
    raise last_line("part: a line")
divide()
"""


def run(form: str, end: str) -> tuple[int, str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT, form, end]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    code, text = run("json", "exception")
    assert code == 1
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_an_object_whose_event_stays_the_same_whatever_its_values(lines: list[dict[str, Any]]) -> None:
    first = lines[0]
    assert abs(datetime.fromisoformat(first.pop("time").replace("Z", "+00:00")) - datetime.now(timezone.utc)) < (
        timedelta(minutes=5)
    )
    assert first == {
        "level": "info",
        "logger": "room.part",
        "event": "made topic %s with %d partitions",
        "message": "made topic ratings with 4 partitions",
        "values": ["ratings", 4],
        "flow": "ratings",
        "process": 3,
    }


def test_an_event_has_a_name_of_its_own_where_its_message_has_no_words(lines: list[dict[str, Any]]) -> None:
    second = lines[1]
    assert (second["event"], second["message"], second["port"]) == ("a host is down", "10.0.0.1 is down", 9092)


def test_everything_comes_as_an_object(lines: list[dict[str, Any]]) -> None:
    assert [
        (line["logger"], line["level"], line["message"].splitlines()[0].rpartition("/")[2]) for line in lines[2:]
    ] == [
        ("other", "info", "by name"),
        ("room.part", "info", "an object: <class 'object'>"),
        ("py.warnings", "warning", "<string>:15: DeprecationWarning: old"),
        ("py.warnings", "warning", "<string>:16: UserWarning: odd"),
        ("room.part", "error", "cannot divide 1"),
        ("monitoring.log", "error", "an exception ends thread divider"),
        ("monitoring.log", "critical", "an exception ends the process"),
    ]


def test_an_exception_is_structured_and_shows_no_variables(lines: list[dict[str, Any]]) -> None:
    for line in lines[-3:]:
        (exception,) = line["exceptions"]
        assert exception["type"] == "ZeroDivisionError"
        assert exception["message"] == "integer division or modulo by zero"
        assert exception["frames"][-1] == "<string>:20 divide"
        assert "hush" not in json.dumps(line)


def test_the_last_line_has_the_format_of_the_log() -> None:
    code, text = run("json", "line")
    last = json.loads(text.splitlines()[-1])
    assert (code, last["event"], last["message"]) == (1, "the process ends: %s", "the process ends: part: a line")
    code, text = run("text", "line")
    assert (code, text.splitlines()[-1]) == (1, "part: a line")


def test_people_read_text() -> None:
    code, text = run("text", "exception")
    assert code == 1
    assert re.match(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO room\.part: made topic ratings with 4 partitions\n", text
    )
    assert "WARNING room.part: 10.0.0.1 is down\n" in text
    assert "Exception in thread divider:" in text
    assert "not shown" not in text
    assert text.endswith("ZeroDivisionError: integer division or modulo by zero\n")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in the rooms that run as services."""
    levels = {"debug", "info", "warning", "error", "critical", "exception", "log"}
    for room in ("dataflows", "messages", "monitoring", "operators", "records", "sinks", "sources", "web"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in levels:
                    logger = ast.unparse(node.func.value)
                    if logger == "log" or "getLogger" in logger:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_line_has_an_event_in_words() -> None:
    found = dict(calls())
    assert len(found) > 70

    def is_worded(call: ast.Call) -> bool:
        assert isinstance(call.func, ast.Attribute)
        message = call.args[call.func.attr == "log"]
        if not isinstance(message, ast.Constant):  # a name of a constant, which is too long for the line
            return isinstance(message, ast.Name | ast.JoinedStr)
        return len(re.findall(r"[a-z]{2,}", re.sub(r"%[-.\d]*\w", "", str(message.value)))) >= 2

    assert [place for place, call in found.items() if not is_worded(call) and not names_event(call)] == []


def names_event(call: ast.Call) -> bool:
    return any(keyword.arg == "extra" and "'event'" in ast.unparse(keyword.value) for keyword in call.keywords)
