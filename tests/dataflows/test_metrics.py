"""The page of metrics is that of the code, and says of each metric what it means."""

import re

import pytest
from prometheus_client.metrics import MetricWrapperBase

from dataflows.metrics import ROOMS, exposed, metrics, page
from servers.process import ROOT
from tests.test_rooms import FLOW

METRICS = metrics()
UNITS = {"Bytes": "bytes", "Age": "seconds", "Duration": "seconds", "Time": "seconds"}
"""Of the first words of a meaning, those with a unit: the name has it."""

each = pytest.mark.parametrize("metric", METRICS, ids=exposed)


def meaning(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    return family.documentation


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == page(), "run `make docs`"


def test_no_room_of_the_job_is_left_out() -> None:
    assert set(ROOMS) == FLOW | {"web"}


def test_each_metric_of_the_code_is_on_it_once() -> None:
    code = [path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    made = [name for text in code for name in re.findall(r'\b(?:Counter|Gauge|Histogram|Summary)\(\s*"(\w+)"', text)]
    assert len(made) > 30
    assert sorted(made) == sorted(exposed(metric).removesuffix("_total") for metric in METRICS)


@each
def test_it_has_a_meaning_that_fits_a_row(metric: MetricWrapperBase) -> None:
    assert re.fullmatch(r"[A-Z][^|\n]*[^.|\n]", meaning(metric))


@each
def test_its_name_has_its_unit(metric: MetricWrapperBase) -> None:
    units = {unit for unit in UNITS.values() if f"_{unit}" in exposed(metric)}
    assert units == {unit for word, unit in UNITS.items() if meaning(metric).startswith(f"{word} ")}
