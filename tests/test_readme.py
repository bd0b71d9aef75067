"""The README and docs/ are true to the tree: links, paths, make targets, settings, quoted lines."""

import re
from pathlib import Path

import pytest

from servers.process import ROOT
from settings.settings import COMPONENTS
from settings.table import write_into

PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "k8s", "k8s/waxctl", "sinks")),
    *(ROOT / "docs").rglob("*.md"),
]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub links them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_settings_table_is_up_to_date() -> None:
    assert write_into(SETTINGS) == SETTINGS, "run `make docs`"


def test_every_setting_is_in_the_table() -> None:
    for component in COMPONENTS.values():
        for field in component.model_fields.values():
            assert f"| `{field.alias}` |" in SETTINGS


def test_the_lines_beside_ksql_are_the_lines_of_the_flow() -> None:
    flow = (ROOT / "dataflows" / "ratings.py").read_text()
    page = (ROOT / "docs" / "ksql.md").read_text()
    quoted = [line for line in re.findall(r"\| `([^|]+)` \|$", page, re.MULTILINE) if "(" in line]
    assert len(quoted) == 5
    assert [line for line in quoted if line not in flow] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_files_and_make_targets_that_it_names_exist(page: Path) -> None:
    makefile, text = (ROOT / "Makefile").read_text(), page.read_text()
    for target in re.findall(r"^ {4}make ([a-z-]+)\b|`make ([a-z-]+)\b", text, re.MULTILINE):
        assert f"\n{''.join(target)}:" in makefile, target
    for path in re.findall(r"`((?:[a-z0-9]+/)+[a-z_0-9]+\.(?:py|md))`", text):
        assert (ROOT / path).exists(), path
