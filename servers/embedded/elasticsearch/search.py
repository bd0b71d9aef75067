"""Searches: the documents that match, sorted, and what they add up to."""

from collections.abc import Sequence
from typing import Any

import orjson

from servers.embedded.elasticsearch.aggregations import compiled_aggregations, refuse_text
from servers.embedded.elasticsearch.errors import Refused, all_shards_failed, illegal_argument
from servers.embedded.elasticsearch.fields import Leaf
from servers.embedded.elasticsearch.index import Document, Index
from servers.embedded.elasticsearch.paths import only
from servers.embedded.elasticsearch.query import Fields, compiled, parsing, values

Json = dict[str, Any]
Hit = tuple[Index, Document]

_SEARCH = {"query", "size", "from", "sort", "_source", "aggs", "aggregations", "track_total_hits", "timeout"}
_WINDOW = 10_000
_COUNTED = 10_000
_MISSING = {"asc": 2**63 - 1, "desc": -(2**63)}


def count(indices: Sequence[Index], body: Json) -> Json:
    """Answer how many documents match."""
    _refuse_unknown(body, {"query"})
    try:
        return {"count": len(_matching(indices, body)), "_shards": _shards(indices)}
    except Refused as error:
        if error.kind in ("illegal_argument_exception", "x_content_parse_exception"):
            raise Refused(400, "parsing_exception", "Failed to parse", cause=error) from error  # only here, not there
        raise


def search(indices: Sequence[Index], body: Json) -> Json:
    """Answer a search.

    Raises:
        Refused: it is none, or has something that is not known here.
    """
    _refuse_unknown(body, _SEARCH)
    size, start = body.get("size", 10), body.get("from", 0)
    for name, number in (("size", size), ("from", start)):
        if number < 0:
            raise illegal_argument(f"[{name}] parameter cannot be negative, found [{number}]")
    if size + start > _WINDOW:
        reason = (
            f"Result window is too large, from + size must be less than or equal to: [{_WINDOW}] but was "
            f"[{size + start}]."
        )
        raise all_shards_failed("illegal_argument_exception", reason)
    fields = _fields(indices)
    aggregate = compiled_aggregations(body.get("aggs") or body.get("aggregations") or {}, fields)
    found = _matching(indices, body)
    hits, sorts = _sorted(found, body.get("sort") or [], fields)
    shown = [_hit(hit, body.get("_source", True), sorts) for hit in hits[start : start + size]]
    answer: Json = {
        "took": 0,
        "timed_out": False,
        "_shards": _shards(indices),
        "hits": {
            **_total(len(found), body.get("track_total_hits", _COUNTED)),
            "max_score": 1.0 if shown and not sorts else None,
            "hits": shown,
        },
    }
    if indices and (figures := aggregate([document for _, document in found])):
        answer["aggregations"] = figures
    return answer


def _refuse_unknown(body: Json, known: set[str]) -> None:
    for name in body.keys() - known:
        raise parsing(f"Unknown key for a value in [{name}].")


def _shards(indices: Sequence[Index]) -> Json:
    return {"total": len(indices), "successful": len(indices), "skipped": 0, "failed": 0}


def _fields(indices: Sequence[Index]) -> Fields:
    def field(path: str) -> Leaf | None:
        for index in indices:
            found = index.mapping.at(path)
            if isinstance(found, Leaf):
                return found
        return None

    return field


def _matching(indices: Sequence[Index], body: Json) -> list[Hit]:
    match = compiled(body.get("query", {"match_all": {}}), _fields(indices))
    return [(index, document) for index in indices for document in index.documents.values() if match(document)]


def _total(number: int, counted: bool | int) -> Json:
    if counted is False:
        return {}
    if counted is True or number <= counted:
        return {"total": {"value": number, "relation": "eq"}}
    return {"total": {"value": counted, "relation": "gte"}}


Sort = tuple[str, str, Leaf | None]


def _sorted(hits: list[Hit], clauses: Any, fields: Fields) -> tuple[list[Hit], list[Sort]]:
    sorts = [_sort(clause, fields) for clause in (clauses if isinstance(clauses, list) else [clauses])]
    for path, order, _ in reversed(sorts):
        chosen = min if order == "asc" else max  # of several values of one document
        keyed = [(chosen(found), hit) for hit in hits if (found := values(hit[1], path))]
        keyed.sort(key=lambda pair: pair[0], reverse=order == "desc")
        hits = [hit for _, hit in keyed] + [hit for hit in hits if not values(hit[1], path)]
    return hits, sorts


def _sort(clause: Any, fields: Fields) -> Sort:
    path, order = (clause, "asc") if isinstance(clause, str) else next(iter(clause.items()))
    settings = order if isinstance(order, dict) else {"order": order}
    for name in settings.keys() - {"order", "unmapped_type"}:
        raise parsing(f"[field_sort] unknown field [{name}]")
    field = fields(path)
    refuse_text(path, field)
    if field is None and "unmapped_type" not in settings:
        raise all_shards_failed("query_shard_exception", f"No mapping found for [{path}] in order to sort on")
    return path, settings.get("order", "asc"), field


def _hit(hit: Hit, source: Any, sorts: Sequence[Sort]) -> Json:
    index, document = hit
    shown: Json = {"_index": index.name, "_id": document.id, "_score": None if sorts else 1.0}
    if source is not False:
        paths = () if source is True else [source] if isinstance(source, str) else source
        shown["_source"] = only(orjson.loads(document.source), paths)
    if sorts:
        shown["sort"] = [_sort_value(document, *sort) for sort in sorts]
    return shown


def _sort_value(document: Document, path: str, order: str, field: Leaf | None) -> Any:
    found = values(document, path)
    if not found:
        return None if field is not None and field.type == "keyword" else _MISSING[order]
    value = min(found) if order == "asc" else max(found)
    return int(value) if isinstance(value, bool) else value
