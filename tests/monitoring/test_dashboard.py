"""The dashboard for Grafana: the file is that of the code, and its panels are whole."""

import json
import re
from pathlib import Path

from dataflows.metrics import exposed, metrics
from monitoring.grafana.__main__ import FILE
from monitoring.grafana.objects import dashboard, text
from monitoring.grafana.ratings import ROWS, TITLE
from servers.job import piped

PANELS = dashboard(TITLE, ROWS)["panels"]


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == text(TITLE, ROWS), "run `make docs`"


def test_the_panels_fill_the_grid_without_overlaps() -> None:
    taken = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(24))
    assert {y for _, y in taken} == set(range(max(y for _, y in taken) + 1))


def test_every_query_is_of_a_variable_data_source_and_of_chosen_jobs() -> None:
    for panel in PANELS:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            selectors = re.findall(r"\w+\{[^}]*\}", target["expr"])
            assert selectors
            assert all('job=~"$job"' in one or one.startswith("ALERTS{") for one in selectors)


def test_the_ids_of_panels_and_queries_are_different() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        identities = [target["refId"] for target in panel.get("targets", [])]
        assert len(identities) == len(set(identities))


def test_the_command_writes_where_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "dashboard.json"
    with piped("monitoring.grafana", str(file)) as command:
        output, _ = command.communicate(timeout=60)
    assert command.returncode == 0
    assert output.startswith(f"{file}: ")
    assert json.loads(file.read_text())["title"] == TITLE


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with piped("monitoring.grafana", str(tmp_path)) as command:
        _, errors = command.communicate(timeout=60)
    assert command.returncode == 1
    assert errors.startswith("grafana: ")
    assert len(errors.splitlines()) == 1


def test_the_names_of_metrics_are_those_of_the_code() -> None:
    ours = {exposed(metric) for metric in metrics()}
    asked = {
        name.removesuffix("_bucket")
        for panel in PANELS
        for target in panel.get("targets", [])
        for name in re.findall(r"(\w+)\{", target["expr"])
    }
    assert {name for name in asked - ours if not name.startswith("process_")} == {"ALERTS"}
