"""Mappings: the fields of an index, and the documents that fit them."""

import re
from typing import Any

from servers.embedded.elasticsearch.errors import Refused, unknown
from servers.embedded.elasticsearch.fields import Field, Malformed, bad_mapping, fields

_METADATA = {"_id", "_index", "_source", "_field_names", "_routing", "_version", "_seq_no", "_ignored", "_tier"}
_MAYBE_DATE = re.compile(r"\d{4}[-/]")


class Mapping:
    """The fields of an index. A dynamic mapping adds fields of whole numbers and of texts, but of no other values.

    Raises:
        Refused: the definition holds something unknown.
    """

    def __init__(self, definition: dict[str, Any]) -> None:
        for name in definition.keys() - {"dynamic", "properties"}:
            raise bad_mapping(f"Root mapping definition has unsupported parameters:  [{name} : {definition[name]}]")
        self._dynamic = str(definition.get("dynamic", True)).lower()
        if self._dynamic not in ("true", "false", "strict"):
            raise bad_mapping("Could not convert [dynamic.dynamic] to boolean")
        properties = definition.get("properties", {})
        self._fields = {name: tuple(fields(name, inner)) for name, inner in properties.items()}

    def check(self, document_id: str, source: dict[str, Any]) -> None:
        """Check a document, and add its fields where the mapping is dynamic.

        Raises:
            Refused: it does not fit; nothing is added.
        """
        added = dict[str, tuple[Field, ...]]()
        for name, value in source.items():
            found = self._fields.get(name)
            if found is None:
                self._check_unmapped(name)
                if self._dynamic == "false" or value is None:
                    continue
                found = added[name] = tuple(fields(name, _guess(name, value)))
            if value is not None:
                for field in found:
                    _check(field, value, document_id)
        self._fields.update(added)

    def _check_unmapped(self, name: str) -> None:
        parts = name.split(".")
        if name in _METADATA:
            raise _unfit(f"Field [{name}] is a metadata field and cannot be added inside a document.")
        if not all(part.strip() for part in parts):
            raise _unfit(f"field name cannot be empty or contain only whitespace: ['{name}']")
        if parts[0] in self._fields or (len(parts) > 1 and self._dynamic == "true"):
            raise unknown(f"fields below a field: [{name}]")
        if self._dynamic == "strict":
            reason = f"[1:1] mapping set to strict, dynamic introduction of [{name}] within [_doc] is not allowed"
            raise Refused(400, "strict_dynamic_mapping_exception", reason)


def overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """A template's definition with an index's own definition above it."""
    return {**below, **above, "properties": {**below.get("properties", {}), **above.get("properties", {})}}


def _guess(name: str, value: Any) -> dict[str, Any]:
    """The definition of a field that a document adds."""
    if value.__class__ is int:
        return {"type": "long"}
    if isinstance(value, str) and not _MAYBE_DATE.match(value):
        return {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    raise unknown(f"dynamic mapping of such a value, in field [{name}]: set [dynamic] to false or strict")


def _check(field: Field, value: Any, document_id: str) -> None:
    if isinstance(value, list):
        for inner in value:
            if inner is not None:
                _check(field, inner, document_id)
        return
    try:
        field.check(value)
    except Malformed as error:
        shown = str(value).lower() if isinstance(value, bool) else value
        reason = (
            f"failed to parse field [{field.path}] of type [{field.type}] in document with id '{document_id}'. "
            f"Preview of field's value: '{shown}'"
        )
        raise _unfit(reason, Refused(400, "illegal_argument_exception", str(error))) from error


def _unfit(reason: str, cause: Refused | None = None) -> Refused:
    # The real server's position in the line is not known here.
    return Refused(400, "document_parsing_exception", f"[1:1] {reason}", cause)
