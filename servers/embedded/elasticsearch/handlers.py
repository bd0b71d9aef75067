"""What each request does."""

from fnmatch import fnmatchcase
from typing import Any

import orjson

from servers.embedded.elasticsearch import bulk
from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused, illegal_argument, invalid_request
from servers.embedded.elasticsearch.index import Index, new_id
from servers.embedded.elasticsearch.paths import only
from servers.embedded.elasticsearch.routing import Answer, Call, Route
from servers.embedded.elasticsearch.search import count, search

Json = dict[str, Any]

VERSION = "8.18.8"

_ACKNOWLEDGED: Answer = 200, {"acknowledged": True}


def _info(_cluster: Cluster, _call: Call) -> Answer:
    version = {
        "number": VERSION,
        "build_flavor": "default",
        "build_type": "embedded",
        "build_snapshot": False,
        "lucene_version": "9.12.1",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    }
    return 200, {
        "name": "embedded",
        "cluster_name": "embedded",
        "cluster_uuid": "embedded",
        "version": version,
        "tagline": "You Know, for Search",
    }


def _health(cluster: Cluster, call: Call) -> Answer:
    name = call.names.get("index")
    missing = name is not None and not cluster.found(name, ignore_missing=True)
    shards = len(cluster.indices)
    return 408 if missing else 200, {
        "cluster_name": "embedded",
        "status": "red" if missing else "green",
        "timed_out": missing,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        "active_shards_percent_as_number": 100.0,
    }


def _create_index(cluster: Cluster, call: Call) -> Answer:
    body = call.json()
    for name in body.keys() - {"settings", "mappings", "aliases"}:
        raise Refused(400, "parse_exception", f"unknown key [{name}] for create index")
    index = cluster.create(call.names["index"], body)
    return 200, {"acknowledged": True, "shards_acknowledged": True, "index": index.name}


def _get_index(cluster: Cluster, call: Call) -> Answer:
    return 200, {index.name: index.shown() for index in _indices(cluster, call)}


def _get_mapping(cluster: Cluster, call: Call) -> Answer:
    return 200, {index.name: {"mappings": index.mapping.definition()} for index in _indices(cluster, call)}


def _delete_index(cluster: Cluster, call: Call) -> Answer:
    cluster.delete(call.names["index"])
    return _ACKNOWLEDGED


def _refresh(cluster: Cluster, call: Call) -> Answer:
    number = len(_indices(cluster, call))
    return 200, {"_shards": {"total": number, "successful": number, "failed": 0}}


def _write_many(cluster: Cluster, call: Call) -> Answer:
    actions = bulk.read(call.body, call.names.get("index"), require_alias=call.flag("require_alias"))
    items, errors = bulk.apply(cluster, actions, call.items)
    return 200, {"errors": errors, "took": 0, "items": items}


def _put_document(cluster: Cluster, call: Call) -> Answer:
    kind = call.parameters.get("op_type", "index")
    if kind not in ("index", "create"):
        raise illegal_argument(f"opType must be 'create' or 'index', found: [{kind}]")
    return _write(cluster, call, kind)


def _create_document(cluster: Cluster, call: Call) -> Answer:
    return _write(cluster, call, "create")


def _delete_document(cluster: Cluster, call: Call) -> Answer:
    return _write(cluster, call, "delete")


def _write(cluster: Cluster, call: Call, kind: str) -> Answer:
    document, number = call.names.get("id"), call.parameters.get("version")
    version = bulk.external(number, call.parameters.get("version_type"))
    if found := list(bulk.problems(kind, document, number, version)):
        raise invalid_request(*found)
    if kind != "delete" and not call.body:
        raise Refused(400, "parse_exception", "request body is required")
    make = bulk.makes_index(kind, version)
    index = cluster.to_write(call.names["index"], make=make, require_alias=call.flag("require_alias"))
    written = bulk.write(index, kind, new_id() if document is None else document, call.body, version)
    cluster.trim()
    told = bulk.result(index.name, written)
    return told.pop("status"), told


def _get_document(cluster: Cluster, call: Call) -> Answer:
    index, name = cluster.one(call.names["index"]), call.names["id"]
    document = index.documents.get(name)
    if document is None:
        return 404, {"_index": index.name, "_id": name, "found": False}
    source = call.parameters.get("_source", "true")
    shown = {"_index": index.name, "_id": name, "_version": document.version, "_seq_no": document.seq_no}
    shown |= {"_primary_term": 1, "found": True}
    if source != "false":
        paths = () if source == "true" else source.split(",")
        shown["_source"] = only(orjson.loads(document.source), paths)
    return 200, shown


def _count_documents(cluster: Cluster, call: Call) -> Answer:
    return 200, count(_indices(cluster, call), call.json())


def _search_documents(cluster: Cluster, call: Call) -> Answer:
    body = call.json()
    for name in ("size", "from"):
        if name in call.parameters:
            body[name] = call.number(name)
    if "sort" in call.parameters:
        clauses = (clause.partition(":") for clause in call.parameters["sort"].split(","))
        body["sort"] = [{field: order or "asc"} for field, _, order in clauses]
    return 200, search(_indices(cluster, call), body)


def _indices(cluster: Cluster, call: Call) -> list[Index]:
    return cluster.found(call.names.get("index", "_all"), ignore_missing=call.flag("ignore_unavailable"))


def _put_index_template(cluster: Cluster, call: Call) -> Answer:
    cluster.templates.put_index(call.names["name"], call.required_json(), create=call.flag("create"))
    return _ACKNOWLEDGED


def _put_component_template(cluster: Cluster, call: Call) -> Answer:
    cluster.templates.put_component(call.names["name"], call.required_json())
    return _ACKNOWLEDGED


def _get_index_templates(cluster: Cluster, call: Call) -> Answer:
    found = _templates(cluster.templates.index, "index template", call)
    return 200 if found or "name" not in call.names else 404, {
        "index_templates": [{"name": name, "index_template": found[name]} for name in found]
    }


def _get_component_templates(cluster: Cluster, call: Call) -> Answer:
    found = _templates(cluster.templates.component, "component template", call)
    return 200 if found else 404, {
        "component_templates": [{"name": name, "component_template": found[name]} for name in found]
    }


def _delete_index_template(cluster: Cluster, call: Call) -> Answer:
    name = call.names["name"]
    if name not in cluster.templates.index:
        raise Refused(404, "index_template_missing_exception", f"index_template [{name}] missing")
    del cluster.templates.index[name]
    return _ACKNOWLEDGED


def _templates(templates: dict[str, Json], what: str, call: Call) -> dict[str, Json]:
    pattern = call.names.get("name", "*")
    found = {name: template for name, template in templates.items() if fnmatchcase(name, pattern)}
    if not found and "*" not in pattern:
        raise Refused(404, "resource_not_found_exception", f"{what} matching [{pattern}] not found")
    return found


def _get_alias(cluster: Cluster, call: Call) -> Answer:
    name = call.names["name"]
    found = {
        index.name: {"aliases": {name: index.aliases[name]}}
        for index in _indices(cluster, call)
        if name in index.aliases
    }
    return (200, found) if found else (404, {"error": f"alias [{name}] missing", "status": 404})


def _put_alias(cluster: Cluster, call: Call) -> Answer:
    return _change_aliases(
        cluster, [{"add": {**call.json(), "index": call.names["index"], "alias": call.names["name"]}}]
    )


def _update_aliases(cluster: Cluster, call: Call) -> Answer:
    return _change_aliases(cluster, call.required_json().get("actions", []))


def _change_aliases(cluster: Cluster, actions: list[dict[str, Json]]) -> Answer:
    """All actions or none."""
    changes = []
    for action in actions:
        ((kind, what),) = action.items()
        name = str(what.get("alias"))
        if kind not in ("add", "remove") or what.keys() - {"index", "alias", "is_write_index"}:
            raise illegal_argument(f"[aliases] unknown action: {action}")
        for index in cluster.found(what["index"]):
            if kind == "remove" and name not in index.aliases:
                where = {"resource.type": "aliases", "resource.id": name}
                raise Refused(404, "aliases_not_found_exception", f"aliases [{name}] missing", where)
            if kind == "add" and name in cluster.indices:
                reason = f"Invalid alias name [{name}]: an index or data stream exists with the same name as the alias"
                raise Refused(400, "invalid_alias_name_exception", reason)
            changes.append((kind, index, name, {key: what[key] for key in ("is_write_index",) if key in what}))
    for kind, index, name, settings in changes:
        if kind == "add":
            index.aliases[name] = settings
        else:
            del index.aliases[name]
    return 200, {"acknowledged": True, "errors": False}


_WRITE = "refresh timeout wait_for_active_shards routing version version_type require_alias"
_READ = "ignore_unavailable"

ROUTES = (
    Route("GET HEAD", "/", _info),
    Route("GET", "/_cluster/health", _health, "wait_for_status timeout"),
    Route("GET", "/_cluster/health/{index}", _health, "wait_for_status timeout"),
    Route("POST PUT", "/_bulk", _write_many, "refresh timeout wait_for_active_shards routing require_alias"),
    Route("POST PUT", "/{index}/_bulk", _write_many, "refresh timeout wait_for_active_shards routing require_alias"),
    Route("PUT", "/{index}", _create_index, "timeout master_timeout wait_for_active_shards"),
    Route("GET HEAD", "/{index}", _get_index, _READ),
    Route("DELETE", "/{index}", _delete_index, "timeout master_timeout"),
    Route("GET", "/{index}/_mapping", _get_mapping, _READ),
    Route("PUT POST", "/{index}/_doc/{id}", _put_document, f"{_WRITE} op_type"),
    Route("POST", "/{index}/_doc", _put_document, f"{_WRITE} op_type"),
    Route("GET HEAD", "/{index}/_doc/{id}", _get_document, "_source realtime refresh routing"),
    Route("DELETE", "/{index}/_doc/{id}", _delete_document, _WRITE),
    Route("PUT POST", "/{index}/_create/{id}", _create_document, _WRITE),
    Route("GET POST", "/_refresh", _refresh, _READ),
    Route("GET POST", "/{index}/_refresh", _refresh, _READ),
    Route("GET POST", "/_count", _count_documents, _READ),
    Route("GET POST", "/{index}/_count", _count_documents, _READ),
    Route("GET POST", "/_search", _search_documents, f"{_READ} size from sort timeout"),
    Route("GET POST", "/{index}/_search", _search_documents, f"{_READ} size from sort timeout"),
    Route("PUT POST", "/_index_template/{name}", _put_index_template, "create master_timeout cause"),
    Route("GET HEAD", "/_index_template/{name}", _get_index_templates, "master_timeout"),
    Route("GET", "/_index_template", _get_index_templates, "master_timeout"),
    Route("DELETE", "/_index_template/{name}", _delete_index_template, "timeout master_timeout"),
    Route("PUT POST", "/_component_template/{name}", _put_component_template, "master_timeout"),
    Route("GET HEAD", "/_component_template/{name}", _get_component_templates, "master_timeout"),
    Route("PUT POST", "/{index}/_alias/{name}", _put_alias, "timeout master_timeout"),
    Route("GET HEAD", "/_alias/{name}", _get_alias, _READ),
    Route("POST", "/_aliases", _update_aliases, "timeout master_timeout"),
)
