"""Kibana's saved objects, as its export writes them.

The versions of the types are those of Kibana 8.9, so 8.9 and later import the objects, 9 too, and bring them to their
own forms. An older Kibana refuses them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

CORE = "8.8.0"
"""The version of what all saved objects have in common."""
VERSIONS = {"index-pattern": "8.0.0", "search": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"}
"""The version of each type."""
RECORDS = "___records___"
"""Stands for a field where documents are counted."""
LAYER = "ratings"
"""The one layer of a chart."""
TIME = "@timestamp"

Object = dict[str, Any]
Columns = Mapping[str, dict[str, Any]]
"""The columns of a chart by their ids, in the order in which they split the documents; metrics come last."""

_ALL = {"query": "", "language": "kuery"}


def data_view(identity: str, name: str, indices: str, descriptions: Mapping[str, str]) -> Object:
    """A data view: indices by a pattern, with descriptions of fields."""
    notes = {field: {"customDescription": text} for field, text in descriptions.items()}
    attributes = {
        "title": indices,
        "name": name,
        "timeFieldName": TIME,
        "fieldAttrs": _text(notes),
        "fieldFormatMap": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return _object("index-pattern", identity, attributes)


def search(identity: str, title: str, view: str, fields: Sequence[str]) -> Object:
    """Documents of a data view as a table, the newest first."""
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    attributes = {
        "title": title,
        "description": "",
        "columns": list(fields),
        "sort": [[TIME, "desc"]],
        "grid": {},
        "hideChart": True,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _text({"query": _ALL, "filter": [], "indexRefName": reference}),
        },
    }
    return _object("search", identity, attributes, [_reference(reference, "index-pattern", view)])


def count(label: str) -> dict[str, Any]:
    """The column that counts documents."""
    return _column(label, "count", RECORDS, "number", "ratio", bucketed=False, emptyAsNull=False)


def median(label: str, field: str) -> dict[str, Any]:
    """The column with the median of a field."""
    return _column(label, "median", field, "number", "ratio", bucketed=False, emptyAsNull=True)


def over_time() -> dict[str, Any]:
    """The column that splits documents by time, in intervals that fit the chart."""
    return _column(
        TIME, "date_histogram", TIME, "date", "interval", bucketed=True,
        interval="auto", includeEmptyRows=True, dropPartials=False,
    )  # fmt: skip


def top(label: str, field: str, by: str | None = None, size: int = 5) -> dict[str, Any]:
    """The column that splits documents by values of a field: those with most in the column ``by``, or the first ones.

    Without ``by`` the values are in the order of the alphabet, so each keeps its colour.
    """
    order = {"type": "alphabetical"} if by is None else {"type": "column", "columnId": by}
    return _column(
        label, "terms", field, "string", "ordinal", bucketed=True,
        size=size, orderBy=order, orderDirection="asc" if by is None else "desc",
        otherBucket=False, missingBucket=False, parentFormat={"id": "terms"},
    )  # fmt: skip


def metric(identity: str, title: str, view: str, columns: Columns, by: str | None = None) -> Object:
    """The number of the last column, one for each value of the column ``by``."""
    split = {} if by is None else {"breakdownByAccessor": by, "maxCols": 1}
    visualization = {"layerId": LAYER, "layerType": "data", "metricAccessor": [*columns][-1], **split}
    return _lens(identity, title, view, "lnsMetric", columns, visualization)


def chart(
    identity: str, title: str, view: str, columns: Columns, series: str, extent: tuple[int, int] | None = None
) -> Object:
    """A chart of the kind ``series`` over time: columns of time, of what splits it, and of its numbers.

    Args:
        identity: its id.
        title: shown above it.
        view: the id of the data view.
        columns: three.
        series: a series type of Lens.
        extent: the ends of the axis of numbers; None: those that the numbers have.
    """
    x, split, y = columns
    axis = {"mode": "full"} if extent is None else {"mode": "custom", "lowerBound": extent[0], "upperBound": extent[1]}
    visualization = {
        "preferredSeriesType": series,
        "legend": {"isVisible": True, "position": "right"},
        "valueLabels": "hide",
        "fittingFunction": "Linear",
        "yLeftExtent": axis,
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": True, "yRight": False},
        "layers": [
            {
                "layerId": LAYER,
                "layerType": "data",
                "seriesType": series,
                "xAccessor": x,
                "splitAccessor": split,
                "accessors": [y],
            }
        ],
    }
    return _lens(identity, title, view, "lnsXY", columns, visualization)


def dashboard(identity: str, title: str, panels: Sequence[tuple[Object, tuple[int, int, int, int]]]) -> Object:
    """A dashboard of the last 15 minutes that renews itself every 5 seconds.

    Args:
        identity: its id.
        title: its title.
        panels: saved objects, each with its left edge, upper edge, width and height on a grid of 48 columns.
    """
    shown, references = [], []
    for number, (panel, (x, y, width, height)) in enumerate(panels, 1):
        index, name = str(number), f"panel_{number}"
        shown.append(
            {
                "type": panel["type"],
                "panelIndex": index,
                "gridData": {"x": x, "y": y, "w": width, "h": height, "i": index},
                "embeddableConfig": {"enhancements": {}},
                "panelRefName": name,
            }
        )
        references.append(_reference(f"{index}:{name}", panel["type"], panel["id"]))
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-15m",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 5000},
        "optionsJSON": _text({"useMargins": True, "syncColors": True, "syncCursor": True, "hidePanelTitles": False}),
        "panelsJSON": _text(shown),
        "kibanaSavedObjectMeta": {"searchSourceJSON": _text({"query": _ALL, "filter": []})},
    }
    return _object("dashboard", identity, attributes, references)


def _lens(
    identity: str, title: str, view: str, kind: str, columns: Columns, visualization: Mapping[str, Any]
) -> Object:
    layer = {"columnOrder": [*columns], "columns": dict(columns), "incompleteColumns": {}}
    attributes = {
        "title": title,
        "description": "",
        "visualizationType": kind,
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "visualization": visualization,
            "query": _ALL,
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    reference = _reference(f"indexpattern-datasource-layer-{LAYER}", "index-pattern", view)
    return _object("lens", identity, attributes, [reference])


def _column(
    label: str, operation: str, field: str, data: str, scale: str, *, bucketed: bool, **params: Any
) -> dict[str, Any]:
    return {
        "label": label,
        "customLabel": True,
        "operationType": operation,
        "sourceField": field,
        "dataType": data,
        "scale": scale,
        "isBucketed": bucketed,
        "params": params,
    }


def _object(kind: str, identity: str, attributes: Object, references: Sequence[Object] = ()) -> Object:
    return {
        "type": kind,
        "id": identity,
        "attributes": attributes,
        "references": list(references),
        "coreMigrationVersion": CORE,
        "typeMigrationVersion": VERSIONS[kind],
        "managed": False,
    }


def _reference(name: str, kind: str, identity: str) -> Object:
    return {"name": name, "type": kind, "id": identity}


def _text(value: object) -> str:
    """JSON in a text, as some attributes are."""
    return json.dumps(value, separators=(",", ":"))
