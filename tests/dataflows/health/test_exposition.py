"""The metrics of a process, read strictly."""

import pytest

from dataflows.health.exposition import bytewax_port, metrics, without_duplicates
from tests.dataflows.health.strict import faults

TWICE = """\
# HELP bytewax_write_seconds Duration
# TYPE bytewax_write_seconds histogram
bytewax_write_seconds_bucket{step="a",le="1"} 1
bytewax_write_seconds_bucket{step="a",le="+Inf"} 2
bytewax_write_seconds_sum{step="a"} 1.5
bytewax_write_seconds_count{step="a"} 2
bytewax_write_seconds_bucket{step="a",le="1"} 0
bytewax_write_seconds_bucket{step="a",le="+Inf"} 3
bytewax_write_seconds_sum{step="a"} 9
bytewax_write_seconds_count{step="a"} 3
# HELP target_info Target metadata
# TYPE target_info gauge
target_info 1
"""
ONCE = """\
# HELP bytewax_write_seconds Duration
# TYPE bytewax_write_seconds histogram
bytewax_write_seconds_bucket{step="a",le="1"} 1.0
bytewax_write_seconds_bucket{step="a",le="+Inf"} 5.0
bytewax_write_seconds_sum{step="a"} 10.5
bytewax_write_seconds_count{step="a"} 5.0
"""


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        (TWICE, 'bytewax_write_seconds_sum{step="a"} comes 2 times'),
        ("# TYPE a gauge\na 1\n", "a is not described"),
        ("a 1\n", "a has no type before it"),
        ("# HELP a A\n# TYPE a gauge\na{b='c'} 1\n", "no line of the format"),
        ('# HELP a A\n# TYPE a gauge\n# HELP b B\n# TYPE b gauge\na 1\nb 1\na{c="d"} 1\n', "a is not in one piece"),
        ("# HELP a_created A\n# TYPE a_created gauge\na_created 1\n", "a_created is no metric of the job"),
    ],
)
def test_the_strict_reading_finds_a_fault(page: str, fault: str) -> None:
    assert [line for line in faults(page) if line.startswith(fault)] != []


def test_series_that_come_twice_are_added_up() -> None:
    assert without_duplicates(TWICE) == ONCE
    assert faults(ONCE) == []


def test_our_own_metrics_are_in_order() -> None:
    page = metrics(None, "")
    assert "process_start_time_seconds" in page
    assert faults(page) == []


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, None),
        ({"BYTEWAX_DATAFLOW_API_PORT": "1"}, None),
        ({"BYTEWAX_DATAFLOW_API_ENABLED": ""}, 3030),  # any value switches it on
        ({"BYTEWAX_DATAFLOW_API_ENABLED": "1", "BYTEWAX_DATAFLOW_API_PORT": "3035"}, 3035),
    ],
)
def test_where_bytewax_serves(environ: dict[str, str], port: int | None) -> None:
    assert bytewax_port(environ) == port
