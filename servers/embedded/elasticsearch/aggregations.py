"""Aggregations, made into functions from documents to buckets and figures."""

from collections.abc import Callable, Sequence
from typing import Any

from servers.embedded.elasticsearch import dates
from servers.embedded.elasticsearch.errors import Refused, all_shards_failed, illegal_argument
from servers.embedded.elasticsearch.fields import Leaf, Malformed
from servers.embedded.elasticsearch.index import Document
from servers.embedded.elasticsearch.query import Fields, compiled, date, parsing, values

Json = dict[str, Any]
Documents = Sequence[Document]
Aggregate = Callable[[Documents], Json]

_MAX_BUCKETS = 65_536


def compiled_aggregations(requests: Json, fields: Fields) -> Aggregate:
    """Make the named aggregations of a search into one function.

    Raises:
        Refused: one is none, or none that is known here, or not for such a field.
    """
    aggregates = {name: _compiled(name, request, fields) for name, request in requests.items()}
    return lambda documents: {name: aggregate(documents) for name, aggregate in aggregates.items()}


def _compiled(name: str, request: Json, fields: Fields) -> Aggregate:
    kinds = [kind for kind in request if kind not in ("aggs", "aggregations")]
    if not kinds:
        raise parsing(f"Missing definition for aggregation [{name}]")
    if len(kinds) > 1:
        raise parsing(f"Found two aggregation type definitions in [{name}]: [{kinds[0]}] and [{kinds[1]}]")
    (kind,) = kinds
    below = request.get("aggs") or request.get("aggregations") or {}
    if kind in _METRICS:
        if below:
            raise illegal_argument(f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations")
        return _metric(kind, request[kind], fields)
    if kind not in _BUCKETS:
        raise parsing(f"Unknown aggregation type [{kind}]")
    return _BUCKETS[kind](request[kind], fields, compiled_aggregations(below, fields))


def field_of(kind: str, body: Json, fields: Fields, known: set[str]) -> Leaf | None:
    """The field that an aggregation is about; None where the indices do not have it.

    Raises:
        Refused: it names none, or one whose type cannot be aggregated; or it has a parameter that is not known here.
    """
    for parameter in body.keys() - known - {"field"}:
        raise Refused(400, "x_content_parse_exception", f"[1:1] [{kind}] unknown field [{parameter}]")
    if "field" not in body:
        raise illegal_argument("Required one of fields [field, script], but none were specified.")
    field = fields(body["field"])
    refuse_text(body["field"], field)
    return field


def refuse_text(path: str, field: Leaf | None) -> None:
    """Refuse to sort or aggregate by texts, as the server does."""
    if field is not None and field.type == "text":
        reason = f"Fielddata is disabled on [{path}]. Please use a keyword field instead."
        raise all_shards_failed("illegal_argument_exception", reason)


def _unsupported(path: str, field: Leaf, kind: str) -> Refused:
    reason = f"Field [{path}] of type [{field.type}] is not supported for aggregation [{kind}]"
    return all_shards_failed("illegal_argument_exception", reason)


def _metric(kind: str, body: Json, fields: Fields) -> Aggregate:
    path = body.get("field", "")
    field = field_of(kind, body, fields, set())
    countable = kind in ("cardinality", "value_count")
    if field is not None and field.type == "keyword" and not countable:
        raise _unsupported(path, field, kind)
    figure = _METRICS[kind]

    def aggregate(documents: Documents) -> Json:
        found = figure([value for document in documents for value in values(document, path)])
        if field is not None and field.type == "date" and not countable and found is not None:
            return {"value": float(found), "value_as_string": dates.write(int(found))}
        return {"value": found if countable or found is None else float(found)}

    return aggregate


_METRICS: dict[str, Callable[[list[Any]], float | None]] = {
    "avg": lambda found: sum(found) / len(found) if found else None,
    "sum": sum,
    "min": lambda found: min(found, default=None),
    "max": lambda found: max(found, default=None),
    "value_count": len,
    "cardinality": lambda found: len(set(found)),
}


def _filter(body: Json, fields: Fields, below: Aggregate) -> Aggregate:
    match = compiled(body, fields)

    def aggregate(documents: Documents) -> Json:
        matching = [document for document in documents if match(document)]
        return {"doc_count": len(matching), **below(matching)}

    return aggregate


def _terms(body: Json, fields: Fields, below: Aggregate) -> Aggregate:
    field = field_of("terms", body, fields, {"size", "order", "missing", "min_doc_count"})
    path, size, least = body["field"], body.get("size", 10), body.get("min_doc_count", 1)
    if size < 1:
        raise Refused(400, "x_content_parse_exception", "[1:1] [terms] failed to parse field [size]")
    missing = _missing(body.get("missing"), field)
    by, descending = _order(body.get("order", {"_count": "desc"}))

    def aggregate(documents: Documents) -> Json:
        buckets: dict[Any, list[Document]] = {}
        for document in documents:
            found = values(document, path) or missing
            for value in found if len(found) < 2 else set(found):
                buckets.setdefault(value, []).append(document)
        ranked = [(key, inside) for key, inside in buckets.items() if len(inside) >= least]
        ranked.sort(key=lambda bucket: bucket[0], reverse=by == "_key" and descending)
        if by == "_count":
            ranked.sort(key=lambda bucket: len(bucket[1]), reverse=descending)  # stable: by key where as many
        return {
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": sum(len(inside) for _, inside in ranked[size:]),
            "buckets": [
                {**_key(key, field), "doc_count": len(inside), **below(inside)} for key, inside in ranked[:size]
            ],
        }

    return aggregate


def _missing(value: Any, field: Leaf | None) -> tuple[Any, ...]:
    """The values of a document that has none."""
    if value is None:
        return ()
    try:
        return (field.parse(value) if field else value,)
    except Malformed as error:
        raise all_shards_failed("illegal_argument_exception", str(error)) from error


def _order(order: Json) -> tuple[str, bool]:
    ((by, direction),) = order.items()
    if by not in ("_count", "_key"):
        raise parsing(f"[terms] ordered by [{by}]: the embedded Elasticsearch does not know it")
    return by, direction == "desc"


def _key(value: Any, field: Leaf | None) -> Json:
    if isinstance(value, bool):
        return {"key": int(value), "key_as_string": str(value).lower()}
    if field is not None and field.type == "date":
        return {"key": value, "key_as_string": dates.write(value)}
    return {"key": value}


def _date_histogram(body: Json, fields: Fields, below: Aggregate) -> Aggregate:
    known = {"fixed_interval", "min_doc_count", "extended_bounds"}
    field = field_of("date_histogram", body, fields, known)
    path, least = body["field"], body.get("min_doc_count", 0)
    if field is not None and field.type != "date":
        raise _unsupported(path, field, "date_histogram")
    if "fixed_interval" not in body:
        reason = "Invalid interval specified, must be non-null and non-empty"
        raise all_shards_failed("illegal_argument_exception", reason)
    try:
        interval = dates.interval(body["fixed_interval"])
        bounds = {date(field, bound, up=False) for bound in body.get("extended_bounds", {}).values()} if field else ()
    except (ValueError, TypeError, Malformed) as error:
        reason = f"[1:1] [date_histogram] failed to parse field [fixed_interval] or [extended_bounds]: {error}"
        raise Refused(400, "x_content_parse_exception", reason) from error

    def aggregate(documents: Documents) -> Json:
        buckets: dict[int, list[Document]] = {}
        for document in documents:
            for number in {value // interval for value in values(document, path)}:
                buckets.setdefault(number, []).append(document)
        shown: Sequence[int] = sorted(number for number in buckets if len(buckets[number]) >= least)
        if least == 0 and (ends := buckets.keys() | {bound // interval for bound in bounds}):
            shown = range(min(ends), max(ends) + 1)
        if len(shown) > _MAX_BUCKETS:
            reason = f"Trying to create too many buckets. Must be less than or equal to: [{_MAX_BUCKETS}]"
            raise all_shards_failed("too_many_buckets_exception", reason)
        return {
            "buckets": [
                {
                    "key_as_string": dates.write(number * interval),
                    "key": number * interval,
                    "doc_count": len(inside := buckets.get(number, [])),
                    **below(inside),
                }
                for number in shown
            ]
        }

    return aggregate


_BUCKETS: dict[str, Callable[[Json, Fields, Aggregate], Aggregate]] = {
    "terms": _terms,
    "filter": _filter,
    "date_histogram": _date_histogram,
}
