"""The alert rules in a hurry."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.drill.rules import FILE, hurried
from servers.prometheus import promtool


@pytest.fixture
def file(tmp_path: Path) -> Path:
    hurried(tmp_path / "rules.yaml")
    return tmp_path / "rules.yaml"


def rules(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(file.read_text())["groups"][0]["rules"])


def test_no_minute_and_no_hour_is_left(file: Path) -> None:
    texts = [f"{rule['expr']} {rule.get('for', '')}" for rule in rules(file)]
    assert [text for text in texts if re.search(r"\b(\d+[mh]|60|300)\b", text)] == []


def test_the_rest_is_that_of_the_rules(file: Path) -> None:
    kept = [{**rule, "expr": "", "for": ""} for rule in rules(file)]
    assert kept == [{**rule, "expr": "", "for": ""} for rule in rules(FILE)]


def test_promtool_accepts_them(file: Path, prometheus_runs_here: None) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(file))
