"""The requests that the stand-in knows."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from servers.embedded.elasticsearch import bulk
from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused, illegal_argument, unknown, unreadable
from servers.embedded.elasticsearch.faults import ItemFaults
from servers.embedded.elasticsearch.filter_path import only, paths

Json = dict[str, Any]
Answer = tuple[int, Json]

VERSION = "8.18.8"

_MOST_HITS = 10_000
_EVERYTHING: Json = {"match_all": {}}


class Call(NamedTuple):
    """A request that is known."""

    name: str
    """The index, the expression for indices, or the template in the path; empty if there is none."""
    id: str
    parameters: dict[str, str]
    body: bytes
    items: ItemFaults | None

    def json(self, *known: str) -> Json:
        """The body as an object, ``{}`` if there is none. Refused if it is no object, or has other names in it."""
        try:
            body = orjson.loads(self.body or b"{}")
        except ValueError as error:
            raise unreadable(error) from error
        if not isinstance(body, dict):
            raise Refused(400, "parsing_exception", "Expected [START_OBJECT]")
        if known and (more := sorted(body.keys() - set(known))):
            raise unknown(f"{more} in the body of this request")
        return body


def _info(_cluster: Cluster, _call: Call) -> Answer:
    version = {"number": VERSION, "build_flavor": "default", "build_type": "embedded"}
    name = {"name": "embedded", "cluster_name": "embedded", "cluster_uuid": "embedded"}
    return 200, {**name, "version": version, "tagline": "You Know, for Search"}


def _bulk(cluster: Cluster, call: Call) -> Answer:
    parts = paths(call.parameters.get("filter_path", "*"))
    answer = bulk.apply(cluster, bulk.read(call.body, call.name or None), call.items)
    return 200, only(answer, parts) or {}


def _create_index(cluster: Cluster, call: Call) -> Answer:
    cluster.create(call.name, call.json("mappings").get("mappings", {}))
    return 200, {"acknowledged": True, "shards_acknowledged": True, "index": call.name}


def _index_exists(cluster: Cluster, call: Call) -> Answer:
    cluster.names(call.name)
    return 200, {}


def _refresh(cluster: Cluster, call: Call) -> Answer:
    number = len(cluster.names(call.name))
    return 200, {"_shards": {"total": number, "successful": number, "failed": 0}}


def _get_document(cluster: Cluster, call: Call) -> Answer:
    if "," in call.name or "*" in call.name:
        raise unknown(f"a document of several indices: [{call.name}]")
    (name,) = cluster.names(call.name)
    where = {"_index": name, "_id": call.id}
    document = cluster.documents.get((name, call.id))
    if document is None:
        return 404, {**where, "found": False}
    return 200, {**where, "_version": document.version, "found": True, "_source": orjson.loads(document.source)}


def _count(cluster: Cluster, call: Call) -> Answer:
    return 200, {"count": len(_documents(cluster, call, call.json("query")))}


def _search(cluster: Cluster, call: Call) -> Answer:
    body = call.json("query", "size")
    size = body.get("size", 10)
    if not isinstance(size, int) or not 0 <= size <= _MOST_HITS:
        raise illegal_argument(f"[size] must be a number from 0 to {_MOST_HITS}, found [{size}]")
    found = _documents(cluster, call, body)
    hits = [
        {"_index": name, "_id": document_id, "_source": orjson.loads(cluster.documents[name, document_id].source)}
        for name, document_id in found[:size]
    ]
    total = {"value": min(len(found), _MOST_HITS), "relation": "gte" if len(found) > _MOST_HITS else "eq"}
    return 200, {"took": 0, "timed_out": False, "hits": {"total": total, "hits": hits}}


def _documents(cluster: Cluster, call: Call, body: Json) -> list[tuple[str, str]]:
    """Index and id of each document of the indices that the request names."""
    if body.get("query", _EVERYTHING) != _EVERYTHING:
        raise unknown(f"the query {body['query']}: it knows only {_EVERYTHING}")
    names = set(cluster.names(call.name))
    return [place for place in cluster.documents if place[0] in names]


def _put_template(cluster: Cluster, call: Call) -> Answer:
    if not call.body:
        raise Refused(400, "parse_exception", "request body is required")
    cluster.templates.put(call.name, call.json())
    return 200, {"acknowledged": True}


def _get_template(cluster: Cluster, call: Call) -> Answer:
    if "*" in call.name:
        raise unknown(f"patterns of names of templates: [{call.name}]")
    if call.name not in cluster.templates.by_name:
        raise Refused(404, "resource_not_found_exception", f"index template matching [{call.name}] not found")
    return 200, {"index_templates": [{"name": call.name, "index_template": cluster.templates.by_name[call.name]}]}


class _Route(NamedTuple):
    methods: str
    path: re.Pattern[str]
    handler: Callable[[Cluster, Call], Answer]
    parameters: tuple[str, ...] = ()


_NAME = "/(?P<name>[^/]+)"
_ROUTES = (
    _Route("GET HEAD", re.compile("/"), _info),
    _Route("POST PUT", re.compile(f"(?:{_NAME})?/_bulk"), _bulk, ("filter_path", "refresh")),
    _Route("GET HEAD", re.compile(f"/_index_template{_NAME}"), _get_template),
    _Route("PUT POST", re.compile(f"/_index_template{_NAME}"), _put_template),
    _Route("PUT", re.compile(_NAME), _create_index),
    _Route("HEAD", re.compile(_NAME), _index_exists),
    _Route("GET", re.compile(f"{_NAME}/_doc/(?P<id>[^/]+)"), _get_document),
    _Route("GET POST", re.compile(f"{_NAME}/_refresh"), _refresh),
    _Route("GET POST", re.compile(f"{_NAME}/_count"), _count),
    _Route("GET POST", re.compile(f"{_NAME}/_search"), _search),
)


def answer(cluster: Cluster, method: str, target: str, body: bytes, items: ItemFaults | None) -> Answer:
    """Carry a request out: the status and the body of its answer.

    Raises:
        Refused: it is answered with an error.
    """
    url = urlsplit(target)
    for route in _ROUTES:
        if method in route.methods.split() and (match := route.path.fullmatch(url.path)):
            parameters = dict(parse_qsl(url.query, keep_blank_values=True))
            for name in parameters.keys() - set(route.parameters):
                raise illegal_argument(f"request [{url.path}] contains unrecognized parameter: [{name}]")
            names = {name: unquote(value or "") for name, value in match.groupdict().items()}
            return route.handler(cluster, Call(names.get("name", ""), names.get("id", ""), parameters, body, items))
    raise unknown(f"the request {method} {url.path}")
