"""Queries, made into functions that say whether a document matches."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from servers.embedded.elasticsearch import dates
from servers.embedded.elasticsearch.errors import Refused, all_shards_failed, illegal_argument
from servers.embedded.elasticsearch.fields import DATE_FORMAT, Leaf, Malformed, as_boolean, as_date, as_number, as_text
from servers.embedded.elasticsearch.index import Document

Json = dict[str, Any]
Match = Callable[[Document], bool]
Fields = Callable[[str], Leaf | None]
"""From a path to the field there; None where the indices have none."""

_WORD = re.compile(r"\w+(?:'\w+)*")
_BOUNDS = {"gt", "gte", "lt", "lte"}
_NUMBERS = {"byte", "short", "integer", "long", "float", "double"}


def values(document: Document, path: str) -> tuple[Any, ...]:
    """The values of a field in a document; none where it has none."""
    found = document.values.get(path)
    return found if isinstance(found, tuple) else () if found is None else (found,)


def compiled(query: Json, fields: Fields) -> Match:
    """Make a query into a function.

    Raises:
        Refused: it is none, or none that is known here.
    """
    if not query:
        raise illegal_argument("query malformed, empty clause found")
    (name, body), *more = query.items()
    if more:
        raise parsing(f"[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]")
    if name not in _QUERIES:
        raise parsing(f"unknown query [{name}]")
    return _QUERIES[name](body, fields)


def parsing(reason: str) -> Refused:
    """A query, or a search, that is not understood."""
    return Refused(400, "parsing_exception", reason)


def _match_all(_body: Json, _fields: Fields) -> Match:
    return lambda _document: True


def _match_none(_body: Json, _fields: Fields) -> Match:
    return lambda _document: False


def _term(body: Json, fields: Fields) -> Match:
    path, value = _only_field("term", body)
    if isinstance(value, dict):
        value = value.get("value")
    if value is None:
        raise illegal_argument("field name is null or empty")
    return _one_of(path, [value], fields)


def _terms(body: Json, fields: Fields) -> Match:
    path, wanted = _only_field("terms", body)
    if not isinstance(wanted, list):
        raise parsing(f"[terms] query does not support [{path}]")
    return _one_of(path, wanted, fields)


def _one_of(path: str, wanted: Iterable[Any], fields: Fields) -> Match:
    if path == "_id":
        ids = {as_text(value) for value in wanted}
        return lambda document: document.id in ids
    field = fields(path)
    if field is None:
        return _match_none({}, fields)
    if field.type == "date":  # "2024-01-02" is all of that day
        spans = [(_bound(field, value, up=False), _bound(field, value, up=True)) for value in wanted]
        return lambda document: any(low <= v <= high for v in values(document, path) for low, high in spans)
    terms = {_bound(field, value, up=False) for value in wanted}
    if field.type == "text":
        return lambda document: any(not terms.isdisjoint(_words(text)) for text in values(document, path))
    return lambda document: any(value in terms for value in values(document, path))


def _words(text: str) -> Iterable[str]:
    """What the standard analyzer makes of a text, or nearly."""
    return (word.lower() for word in _WORD.findall(text))


def _range(body: Json, fields: Fields) -> Match:
    path, bounds = _only_field("range", body)
    for name in bounds.keys() - _BOUNDS:
        raise parsing(f"[range] query does not support [{name}]")
    field = fields(path)
    if field is None:
        return _match_none({}, fields)
    if field.type == "text":
        raise parsing("[range] query on a [text] field: the embedded Elasticsearch does not know it")
    tests = [
        (name, _bound(field, bound, up=name in ("gt", "lte"))) for name, bound in bounds.items() if bound is not None
    ]
    return lambda document: any(_within(value, tests) for value in values(document, path))


def _within(value: Any, tests: Iterable[tuple[str, Any]]) -> bool:
    for name, bound in tests:
        if name == "gte":
            inside = value >= bound
        elif name == "gt":
            inside = value > bound
        elif name == "lte":
            inside = value <= bound
        else:
            inside = value < bound
        if not inside:
            return False
    return True


def _exists(body: Json, fields: Fields) -> Match:
    path = body.get("field", "")
    below = f"{path}."
    return lambda document: any(name == path or name.startswith(below) for name in document.values)


def _bool(body: Json, fields: Fields) -> Match:
    for name in body.keys() - {"filter", "must", "must_not", "should", "minimum_should_match"}:
        raise Refused(400, "x_content_parse_exception", f"[1:1] [bool] unknown field [{name}]")
    every = _clauses(body, "filter", fields) + _clauses(body, "must", fields)
    none = _clauses(body, "must_not", fields)
    some = _clauses(body, "should", fields)
    least = int(body.get("minimum_should_match", 1 if some and not every else 0))

    def match(document: Document) -> bool:
        return (
            all(clause(document) for clause in every)
            and not any(clause(document) for clause in none)
            and (least == 0 or sum(clause(document) for clause in some) >= least)
        )

    return match


def _clauses(body: Json, name: str, fields: Fields) -> list[Match]:
    clauses = body.get(name, [])
    return [compiled(clause, fields) for clause in (clauses if isinstance(clauses, list) else [clauses])]


def _only_field(query: str, body: Json) -> tuple[str, Any]:
    found = [(name, value) for name, value in body.items() if name not in ("boost", "_name")]
    if not found:
        raise illegal_argument("field name is null or empty")
    if len(found) > 1:
        several = " and ".join(f"[{name}]" for name, _ in found)
        raise parsing(f"[{query}] query doesn't support multiple fields, found {several}")
    return found[0]


def _bound(field: Leaf, value: Any, *, up: bool) -> Any:
    """A value of a query in the terms of a field; dates are those at the end of what they name, to go ``up``."""
    try:
        if field.type == "date":
            return date(field, value, up=up)
        if field.type in _NUMBERS:
            number = as_number(value)
            return field.parse(number) if field.type == "float" else number
        return as_boolean(value) if field.type == "boolean" else as_text(value)
    except Malformed as error:
        raise all_shards_failed("query_shard_exception", f"failed to create query: {error}") from error


def date(field: Leaf, value: Any, *, up: bool) -> int:
    """A date of a query, which may be date mathematics, in epoch milliseconds; Malformed where it is none."""
    if isinstance(value, str):
        try:
            millis = dates.maths(value, round_up=up)
        except ValueError as error:
            raise Malformed(f"failed to parse date field [{value}]") from error
        if millis is not None:
            return millis
    return as_date(value, field.definition.get("format", DATE_FORMAT), round_up=up)


_QUERIES: dict[str, Callable[[Json, Fields], Match]] = {
    "match_all": _match_all,
    "match_none": _match_none,
    "term": _term,
    "terms": _terms,
    "range": _range,
    "exists": _exists,
    "bool": _bool,
}
