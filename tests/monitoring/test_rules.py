"""The alert rules: by Prometheus's own tool, by the metrics of the code, and by the runbook."""

import re
from typing import Any

import pytest
import yaml

from dataflows.metrics import exposed, metrics
from servers.process import ROOT
from servers.prometheus import promtool

FILE = ROOT / "k8s" / "chart" / "files" / "rules.yaml"
TESTS = ROOT / "k8s" / "monitoring" / "rules_test.yaml"
RUNBOOK = ROOT / "docs" / "operations.md"

RULES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"][0]["rules"]
NAMES = [rule["alert"] for rule in RULES]
NOT_OURS = {"last_over_time", "max_over_time", "group_right", "process_start_time_seconds"}
"""Words of PromQL, and what the client of Prometheus adds."""

each = pytest.mark.parametrize("rule", RULES, ids=NAMES)


def section(title: str) -> str:
    """A section of the runbook's page, to the next of its level."""
    level = title.partition(" ")[0]
    (found,) = re.findall(rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", RUNBOOK.read_text(), re.M | re.S)
    return str(found)


def test_promtool_accepts_the_rules(prometheus_runs_here: None) -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(FILE))


def test_the_unit_tests_of_the_rules_hold(prometheus_runs_here: None) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(TESTS))


def test_promtool_accepts_the_scrape_configuration(prometheus_runs_here: None) -> None:
    file = ROOT / "k8s" / "monitoring" / "prometheus.yaml"
    assert "is valid prometheus config file syntax" in promtool("check", "config", "--syntax-only", str(file))


def test_a_wrong_rule_is_found(prometheus_runs_here: None) -> None:
    wrong = TESTS.with_name("no-such-file.yaml")
    with pytest.raises(RuntimeError, match=r"no-such-file\.yaml"):
        promtool("check", "rules", str(wrong))


@each
def test_the_unit_tests_have_the_alert_firing_and_not(rule: dict[str, Any]) -> None:
    cases = [
        case
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    firing = [bool(case.get("exp_alerts")) for case in cases]
    assert firing[0] is False
    assert True in firing
    assert firing[-1] is False


@each
def test_it_knows_the_metrics(rule: dict[str, Any]) -> None:
    words = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", re.sub(r'"[^"]*"', "", rule["expr"])))
    assert words
    assert words <= {exposed(metric) for metric in metrics()} | NOT_OURS


@each
def test_it_says_what_a_person_needs(rule: dict[str, Any]) -> None:
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert "$value" in rule["annotations"]["description"] or rule["expr"] == "flow_ready == 0"
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_each_alert_has_its_place_in_the_runbook_and_each_place_its_alert() -> None:
    assert re.findall(r"^### (\w+)$", section("## Alerts"), re.M) == NAMES


@each
def test_its_place_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    text = section(f"### {rule['alert']}")
    assert re.findall(r"^- \*\*(.+?)\*\*", text, re.M) == ["Means", "Look at", "Do"]
