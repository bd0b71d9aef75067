"""Documents one by one; indices, templates and aliases."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch

from tests.servers.embedded.elasticsearch.contract import (
    BAD_NAME,
    CONFLICT,
    ILLEGAL,
    INVALID,
    JSON_HEADERS,
    MISSING,
    NO_JSON,
    STRICT,
    Json,
    bulk,
    lines,
    outcomes,
    refusal,
)


def test_documents_one_by_one(es: Elasticsearch, index: str) -> None:
    created = es.index(index=index, id="1", document={"a": 1, "b": 2})
    assert (created.meta.status, created["result"], created["_version"]) == (201, "created", 1)
    updated = es.index(index=index, id="1", document={"a": 2, "b": 2})
    assert (updated.meta.status, updated["result"], updated["_version"]) == (200, "updated", 2)
    found = es.get(index=index, id="1")
    assert (found["_version"], found["_seq_no"], found["_source"]) == (2, 1, {"a": 2, "b": 2})
    assert "_source" not in es.get(index=index, id="1", source=False)
    assert es.get(index=index, id="1", source="a")["_source"] == {"a": 2}
    assert es.exists(index=index, id="1")
    assert refusal(lambda: es.create(index=index, id="1", document={})) == (409, CONFLICT)
    assert es.index(index=index, document={})["_id"]
    removed = es.delete(index=index, id="1")
    assert (removed["result"], removed["_version"]) == ("deleted", 3)
    assert not es.exists(index=index, id="1")
    with pytest.raises(ApiError) as missing:
        es.get(index=index, id="1")
    assert missing.value.body == {"_index": index, "_id": "1", "found": False}
    with pytest.raises(ApiError) as gone:
        es.delete(index=index, id="1")
    assert (gone.value.status_code, gone.value.body["result"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"version": 6, "version_type": "external"}, 200),
        ({"version": 5, "version_type": "external"}, (409, CONFLICT)),
        ({"version": 5, "version_type": "external_gte"}, 200),
        ({"version": 5}, (400, INVALID)),
        ({"require_alias": True}, (404, MISSING)),
        ({"op_type": "create"}, (409, CONFLICT)),
    ],
)
def test_parameters_of_a_document(es: Elasticsearch, index: str, parameters: Json, expected: Any) -> None:
    es.index(index=index, id="1", document={}, version=5, version_type="external")
    try:
        found: Any = es.index(index=index, id="1", document={}, **parameters).meta.status
    except ApiError as error:
        found = error.status_code, error.body["error"]["type"]
    assert found == expected


def test_an_index_comes_and_goes(es: Elasticsearch, index: str) -> None:
    assert not es.indices.exists(index=index)
    es.indices.create(index=index, settings={"number_of_shards": 2, "index": {"refresh_interval": "5s"}})
    assert es.indices.exists(index=index)
    shown = es.indices.get(index=index)[index]
    assert (shown["aliases"], shown["mappings"]) == ({}, {})
    settings = shown["settings"]["index"]
    assert (settings["number_of_shards"], settings["refresh_interval"]) == ("2", "5s")
    assert settings["provided_name"] == index
    assert refusal(lambda: es.indices.create(index=index)) == (400, "resource_already_exists_exception")
    es.indices.delete(index=index)
    assert refusal(lambda: es.indices.delete(index=index)) == (404, MISSING)


MISSING_INDEX: dict[str, Callable[[Elasticsearch, str], object]] = {
    "get index": lambda es, index: es.indices.get(index=index),
    "get": lambda es, index: es.get(index=index, id="1"),
    "delete": lambda es, index: es.delete(index=index, id="1"),
    "count": lambda es, index: es.count(index=index),
    "search": lambda es, index: es.search(index=index),
    "refresh": lambda es, index: es.indices.refresh(index=index),
    "alias": lambda es, index: es.indices.put_alias(index=index, name="x"),
}


@pytest.mark.parametrize("call", MISSING_INDEX)
def test_where_an_index_must_exist(es: Elasticsearch, index: str, call: str) -> None:
    assert refusal(lambda: MISSING_INDEX[call](es, index)) == (404, MISSING)


@pytest.mark.parametrize("name", ["One", "_one", "-one", "+one", "a b", "a,b", "a*", "a#b", "a:b", ".", "x" * 256])
def test_names_that_an_index_cannot_have(es: Elasticsearch, name: str) -> None:
    assert refusal(lambda: es.indices.create(index=name)) == (400, BAD_NAME)


def test_several_indices_at_once(es: Elasticsearch, index: str) -> None:
    for suffix in ("-a", "-b"):
        es.index(index=index + suffix, id="1", document={"n": 1}, refresh=True)
    assert es.count(index=f"{index}-*")["count"] == 2
    assert es.count(index=f"{index}-a,{index}-b")["count"] == 2
    assert es.count(index=f"{index}-none*")["count"] == 0
    assert es.count(index=f"{index}-a,{index}-none", ignore_unavailable=True)["count"] == 1
    assert refusal(lambda: es.count(index=f"{index}-a,{index}-none")) == (404, MISSING)
    assert refusal(lambda: es.indices.delete(index=f"{index}-*")) == (400, ILLEGAL)
    assert set(es.indices.get(index=f"{index}-*")) == {f"{index}-a", f"{index}-b"}
    found = es.search(index=f"{index}-*", aggs={"n": {"avg": {"field": "n"}}})
    assert {hit["_index"] for hit in found["hits"]["hits"]} == {f"{index}-a", f"{index}-b"}
    assert found["aggregations"] == {"n": {"value": 1.0}}
    es.indices.delete(index=f"{index}-a,{index}-b")


def template_body(index: str, **fields: str) -> Json:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {
        "index_patterns": [f"{index}-*"],
        "template": {
            "settings": {"number_of_replicas": 0},
            "mappings": {"dynamic": "strict", "properties": properties},
        },
    }


def test_a_template_is_for_new_indices(es: Elasticsearch, index: str) -> None:
    assert not es.indices.exists_index_template(name=index)
    es.indices.put_index_template(name=index, priority=500, version=3, **template_body(index, k="keyword"))
    assert es.indices.exists_index_template(name=index)
    (shown,) = es.indices.get_index_template(name=index)["index_templates"]
    kept = shown["index_template"]
    assert (shown["name"], kept["version"], kept["priority"]) == (index, 3, 500)
    assert kept["template"]["settings"] == {"index": {"number_of_replicas": "0"}}
    body = lines({"index": {}}, {"k": "x"}, {"index": {}}, {"new": 1})
    assert outcomes(bulk(es, f"{index}-1", body)) == [201, (400, STRICT)]
    assert es.indices.get(index=f"{index}-1")[f"{index}-1"]["settings"]["index"]["number_of_replicas"] == "0"
    # What the index itself asks for lies above what the template says.
    es.indices.create(index=f"{index}-2", mappings={"dynamic": "false", "properties": {"k": {"type": "byte"}}})
    mapping = es.indices.get_mapping(index=f"{index}-2")[f"{index}-2"]["mappings"]
    assert mapping == {"dynamic": "false", "properties": {"k": {"type": "byte"}}}
    es.indices.delete_index_template(name=index)
    assert not es.indices.exists_index_template(name=index)


def test_the_template_with_the_highest_priority_wins(es: Elasticsearch, index: str) -> None:
    for name, priority, kind in (("low", 10, "byte"), ("high", 20, "long"), ("lowest", 5, "text")):
        body = template_body(index, k=kind)
        es.indices.put_index_template(name=f"{index}-{name}", priority=priority, **body)
    es.index(index=f"{index}-1", document={"k": 300})
    properties = es.indices.get_mapping(index=f"{index}-1")[f"{index}-1"]["mappings"]["properties"]
    assert properties == {"k": {"type": "long"}}


def test_a_template_of_components(es: Elasticsearch, index: str) -> None:
    properties = {"a": {"type": "keyword"}, "o": {"properties": {"x": {"type": "long"}}}}
    assert not es.cluster.exists_component_template(name=index)
    es.cluster.put_component_template(name=index, template={"mappings": {"properties": properties}})
    assert es.cluster.exists_component_template(name=index)
    assert es.cluster.get_component_template(name=index)["component_templates"][0]["name"] == index
    upper = {"a": {"type": "long"}, "o": {"properties": {"y": {"type": "long"}}}}
    es.indices.put_index_template(
        name=index,
        index_patterns=[f"{index}-*"],
        composed_of=[index],
        template={"mappings": {"properties": upper}, "aliases": {f"all-{index}": {}}},
        priority=500,
    )
    es.indices.create(index=f"{index}-1")
    shown = es.indices.get(index=f"{index}-1")[f"{index}-1"]
    both = {"x": {"type": "long"}, "y": {"type": "long"}}
    assert shown["mappings"]["properties"] == {"a": {"type": "long"}, "o": {"properties": both}}
    assert shown["aliases"] == {f"all-{index}": {}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"index_patterns": []}, (400, ILLEGAL)),
        ({"nonsense": 1}, (400, NO_JSON)),
        ({"composed_of": ["missing-component"]}, (400, "invalid_index_template_exception")),
        ({"template": {"mappings": {"properties": {"k": {"type": "nonsense"}}}}}, (400, ILLEGAL)),
        ({"priority": -1}, (400, INVALID)),
        ({"priority": 77}, (400, ILLEGAL)),  # as that of the template that is there for the same names
    ],
)
def test_templates_that_cannot_be(es: Elasticsearch, index: str, change: Json, expected: tuple[int, str]) -> None:
    es.indices.put_index_template(name=index, priority=77, **template_body(f"{index}-1"))
    body = {**template_body(index), **change}
    path = f"/_index_template/{index}-2"
    assert refusal(lambda: es.perform_request("PUT", path, headers=JSON_HEADERS, body=body)) == expected
    again = template_body(f"{index}-1")
    assert refusal(lambda: es.indices.put_index_template(name=index, create=True, **again)) == (400, ILLEGAL)


def test_templates_that_are_missing(es: Elasticsearch, index: str) -> None:
    missing = (404, "resource_not_found_exception")
    assert refusal(lambda: es.indices.get_index_template(name=index)) == missing
    assert refusal(lambda: es.cluster.get_component_template(name=index)) == missing
    assert refusal(lambda: es.indices.delete_index_template(name=index)) == (404, "index_template_missing_exception")
    with pytest.raises(ApiError) as caught:
        es.indices.get_index_template(name=f"{index}*")
    assert (caught.value.status_code, caught.value.body) == (404, {"index_templates": []})


def test_an_alias_stands_for_an_index(es: Elasticsearch, index: str) -> None:
    alias = f"alias-{index}"
    es.indices.create(index=index, aliases={alias: {}})
    assert es.indices.exists(index=alias)
    assert es.indices.exists_alias(name=alias)
    assert es.indices.get_alias(name=alias) == {index: {"aliases": {alias: {}}}}
    body = lines({"index": {"_id": "1", "require_alias": True}}, {})
    (item,) = bulk(es, alias, body, refresh=True)["items"]
    assert (item["index"]["_index"], item["index"]["status"]) == (index, 201)
    assert outcomes(bulk(es, alias, lines({"index": {"_id": "2"}}, {}), require_alias=True)) == [201]
    assert es.count(index=alias)["count"] >= 1
    assert es.get(index=alias, id="1")["_index"] == index
    assert refusal(lambda: es.indices.create(index=alias)) == (400, BAD_NAME)
    assert refusal(lambda: es.indices.delete(index=alias)) == (400, ILLEGAL)


def test_an_alias_of_several_indices_writes_to_one(es: Elasticsearch, index: str) -> None:
    alias, old, new = f"alias-{index}", f"{index}-1", f"{index}-2"
    for name in (old, new):
        es.indices.create(index=name)
        es.indices.put_alias(index=name, name=alias)
    body = lines({"index": {"_id": "1"}}, {})
    assert outcomes(bulk(es, alias, body)) == [(400, ILLEGAL)]
    assert refusal(lambda: es.get(index=alias, id="1")) == (400, ILLEGAL)
    es.indices.update_aliases(
        actions=[
            {"add": {"index": new, "alias": alias, "is_write_index": True}},
            {"remove": {"index": old, "alias": alias}},
            {"add": {"index": old, "alias": alias}},
        ]
    )
    (item,) = bulk(es, alias, body)["items"]
    assert item["index"]["_index"] == new
    assert es.indices.get_alias(name=alias)[new] == {"aliases": {alias: {"is_write_index": True}}}
    es.indices.update_aliases(actions=[{"remove": {"index": name, "alias": alias}} for name in (old, new)])
    assert not es.indices.exists_alias(name=alias)
    assert refusal(lambda: es.indices.get_alias(name=alias)) == (404, f"alias [{alias}] missing")
