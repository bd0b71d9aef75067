"""Grafana's JSON of a dashboard, as its export writes it for version 10 and later."""

import json
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

Object = dict[str, Any]

SCHEMA = 39
"""The version of the form, that of Grafana 10.4."""
IDENTITY = "ratings-enrichment"
"""The uid of the dashboard, by which an import replaces the one before."""

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS, _ROW_HEIGHT = 24, 1


class Unit(str, Enum):
    """Grafana's names of units."""

    NUMBER = "short"
    A_SECOND = "cps"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"


class Query(NamedTuple):
    """Series of a panel."""

    expression: str
    """PromQL; `$job` and `$__rate_interval` stand for what Grafana puts in."""
    legend: str
    """The name of a series, with labels as `{{topic}}`."""


class Panel(NamedTuple):
    """A chart over time, or a number."""

    title: str
    unit: Unit
    queries: Sequence[Query]
    description: str = ""
    is_number: bool = False


class Row(NamedTuple):
    """Panels beside each other, under a title."""

    title: str
    panels: Sequence[Panel]
    height: int = 8


def text(title: str, rows: Sequence[Row]) -> str:
    """The dashboard as a file."""
    return json.dumps(dashboard(title, rows), indent=2) + "\n"


def dashboard(title: str, rows: Sequence[Row]) -> Object:
    """A dashboard of the last 30 minutes that renews itself every 10 seconds."""
    return {
        "uid": IDENTITY,
        "title": title,
        "tags": ["bytewax", "kafka"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_datasource(), _jobs()]},
        "annotations": {"list": []},
        "panels": [{**panel, "id": number} for number, panel in enumerate(_placed(rows), 1)],
    }


def _placed(rows: Sequence[Row]) -> Iterator[Object]:
    y = 0
    for row in rows:
        yield {
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": _COLUMNS, "h": _ROW_HEIGHT},
        }
        y += _ROW_HEIGHT
        width = _COLUMNS // len(row.panels)
        for number, panel in enumerate(row.panels):
            yield {**_panel(panel), "gridPos": {"x": number * width, "y": y, "w": width, "h": row.height}}
        y += row.height


def _panel(panel: Panel) -> Object:
    return {
        "type": "stat" if panel.is_number else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "targets": [_target(query, chr(ord("A") + number)) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": {"unit": panel.unit.value, "min": 0}, "overrides": []},
        "options": _NUMBER if panel.is_number else _CHART,
    }


_NUMBER = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "area"}
_CHART = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def _target(query: Query, identity: str) -> Object:
    return {
        "refId": identity,
        "datasource": _DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "range": True,
    }


def _datasource() -> Object:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _jobs() -> Object:
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _DATASOURCE,
        "query": {"query": "label_values(process_start_time_seconds, job)", "refId": "jobs"},
        "refresh": 2,  # with the time range
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
