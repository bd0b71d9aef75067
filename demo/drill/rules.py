"""The alert rules in a hurry."""

import re
from pathlib import Path

import yaml

from servers.process import ROOT

FILE = ROOT / "k8s" / "chart" / "files" / "rules.yaml"
MINUTE = 2
"""Seconds that stand for a minute: long enough for two scrapes."""

_TIMES = re.compile(r"\b(\d+)([mh])\b")
_SECONDS = {"60": str(MINUTE), "300": str(5 * MINUTE)}


def hurried(file: Path) -> None:
    """Write the rules with MINUTE seconds in place of each minute, in windows, bounds and waits."""
    document = yaml.safe_load(FILE.read_text())
    for rule in document["groups"][0]["rules"]:
        rule["expr"] = re.sub(r"\b(60|300)\b", lambda number: _SECONDS[number[0]], _shorter(rule["expr"]))
        if "for" in rule:
            rule["for"] = _shorter(rule["for"])
    file.write_text(yaml.safe_dump(document, sort_keys=False))


def _shorter(text: str) -> str:
    return _TIMES.sub(lambda time: f"{int(time[1]) * (60 if time[2] == 'h' else 1) * MINUTE}s", text)
