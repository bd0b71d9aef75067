"""What Kibana asks Elasticsearch for a saved object, and what the answer comes to."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]


def layer(chart: Object) -> Any:
    """The columns of a chart, and their order."""
    (only,) = chart["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    return only


def aggregations(chart: Object, interval: str) -> dict[str, Any]:
    """The aggregations of a chart: its splits one in the other, and in the last one its numbers."""
    columns, order = layer(chart)["columns"], layer(chart)["columnOrder"]
    splits = [name for name in order if columns[name]["isBucketed"]]
    within = {name: _number(columns[name]) for name in order if name not in splits and not _is_count(columns[name])}
    for name in reversed(splits):
        within = {name: {**_split(columns[name], columns, interval), **({"aggs": within} if within else {})}}
    return within


def cells(chart: Object, answer: Object) -> dict[tuple[Any, ...], float]:
    """The number of the chart's last column by the values of its splits; without those that have none."""
    columns, order = layer(chart)["columns"], layer(chart)["columnOrder"]
    splits = [name for name in order if columns[name]["isBucketed"]]
    total = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
    values = dict(_cells(total, splits, order[-1], columns[order[-1]]))
    return {keys: value for keys, value in values.items() if value is not None}


def hits(search: Object) -> dict[str, Any]:
    """The sort and the fields of a saved search."""
    attributes = search["attributes"]
    return {"sort": [{name: direction} for name, direction in attributes["sort"]], "_source": attributes["columns"]}


def source(search: Object) -> dict[str, Any]:
    return dict(json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]))


def _cells(
    bucket: Object, splits: list[str], name: str, column: Object
) -> Iterator[tuple[tuple[Any, ...], float | None]]:
    if not splits:
        value = bucket["doc_count"] if _is_count(column) else bucket[name]["values"]["50.0"]
        yield (), value
        return
    for inner in bucket[splits[0]]["buckets"]:
        for keys, value in _cells(inner, splits[1:], name, column):
            yield (inner["key"], *keys), value


def _is_count(column: Object) -> bool:
    return bool(column["operationType"] == "count")


def _number(column: Object) -> dict[str, Any]:
    assert column["operationType"] == "median"
    return {"percentiles": {"field": column["sourceField"], "percents": [50]}}


def _split(column: Object, columns: Object, interval: str) -> dict[str, Any]:
    field, params = column["sourceField"], column["params"]
    if column["operationType"] == "date_histogram":
        assert params["interval"] == "auto"
        return {"date_histogram": {"field": field, "fixed_interval": interval, "min_doc_count": 1}}
    assert column["operationType"] == "terms"
    order = "_key"
    if params["orderBy"]["type"] == "column":
        assert _is_count(columns[params["orderBy"]["columnId"]])
        order = "_count"
    return {"terms": {"field": field, "size": params["size"], "order": {order: params["orderDirection"]}}}
