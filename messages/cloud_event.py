"""CloudEvents in structured mode: a record, with attributes that describe it.

In binary mode the attributes are headers, and the value is the record itself.
"""

from typing import Any

from messages.errors import UnsupportedFormat

_DEBEZIUM = "iodebezium"
_OF_SOURCE = "ts_ms", "server_id", "file", "pos", "row", "lsn", "commit_lsn", "change_lsn", "scn", "db"
"""Fields of Debezium's ``source`` that are read from attributes, whose names lack the underscores."""


def is_cloud_event(document: dict[str, Any]) -> bool:
    """Whether an object is a CloudEvent."""
    return "specversion" in document and "type" in document and bool(document.keys() & {"data", "data_base64"})


def record(event: dict[str, Any]) -> Any:
    """The record in a CloudEvent, with the operation and the source from Debezium's attributes.

    Raises:
        UnsupportedFormat: the record is not JSON.
    """
    data = event.get("data")
    if "data_base64" in event or isinstance(data, str):
        raise UnsupportedFormat("the CloudEvent's data is not JSON: set the converter's data.serializer.type to json")
    if isinstance(data, dict) and "payload" in data and data.keys() <= {"schema", "payload"}:
        data = data["payload"]
    if not isinstance(data, dict):
        return data
    told = {name: _number(event.get(_DEBEZIUM + name.replace("_", ""))) for name in _OF_SOURCE}
    if f"{_DEBEZIUM}op" in event and "op" not in data:
        data = {**data, "op": event[f"{_DEBEZIUM}op"]}
    if told["ts_ms"] is not None and not isinstance(data.get("source"), dict):
        is_row = "before" not in data and "after" not in data
        data = data | ({f"__source_{name}": field for name, field in told.items()} if is_row else {"source": told})
    return data


def _number(attribute: Any) -> Any:
    """The number in an attribute: all attributes are text."""
    return int(attribute) if isinstance(attribute, str) and attribute.isdecimal() and len(attribute) < 20 else attribute
