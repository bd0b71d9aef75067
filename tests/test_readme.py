"""What the README quotes is there."""

import re
from pathlib import Path

import settings
from servers.process import ROOT
from settings.table import write_into

README = (ROOT / "README.md").read_text()


def test_the_settings_table_is_up_to_date() -> None:
    assert write_into(README) == README, "run `make docs`"


def test_every_setting_is_in_the_table() -> None:
    for component in (settings.Kafka, settings.Topics, settings.Join, settings.Alerts, settings.Log):
        for field in component.model_fields.values():
            assert f"| `{field.alias}` |" in README


def test_the_lines_beside_ksql_are_the_lines_of_the_flow() -> None:
    flow = (ROOT / "dataflows" / "ratings.py").read_text()
    section = README[README.index("## From KSQL") : README.index("## More")]
    quoted = [line for line in re.findall(r"\| `([^|]+)` \|$", section, re.MULTILINE) if "(" in line]
    assert len(quoted) == 5
    assert [line for line in quoted if line not in flow] == []


def test_files_and_make_targets_that_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b", README):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", README):
        assert Path(ROOT / path).exists(), path
