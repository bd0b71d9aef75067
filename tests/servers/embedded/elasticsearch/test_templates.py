"""Index templates, and the names of indices."""

import pytest
from elasticsearch import Elasticsearch

from tests.servers.embedded.elasticsearch.contract import (
    BAD_NAME,
    ILLEGAL,
    INVALID,
    MALFORMED,
    STRICT,
    Json,
    refusal,
    write,
)


def template(index: str, **types: str) -> Json:
    """A template for the indices whose names begin with this one."""
    properties = {name: {"type": kind} for name, kind in types.items()}
    mappings = {"dynamic": "strict", "properties": properties}
    return {"index_patterns": [f"{index}-*"], "template": {"settings": {}, "mappings": mappings}}


@pytest.mark.parametrize("name", ["One", "_one", "-one", "+one", "a b", "a,b", "a*", "a#b", "a:b", ".", "x" * 256])
def test_names_that_an_index_cannot_have(es: Elasticsearch, name: str) -> None:
    assert refusal(lambda: es.indices.create(index=name)) == (400, BAD_NAME)


def test_a_template_is_kept(es: Elasticsearch, index: str) -> None:
    assert refusal(lambda: es.indices.get_index_template(name=index)) == (404, "resource_not_found_exception")
    assert not es.indices.exists_index_template(name=index)
    for version in (3, 4):
        meta = {"lifecycle": "none", "data_stream": False}
        es.indices.put_index_template(name=index, priority=500, version=version, meta=meta, **template(index, k="byte"))
        (shown,) = es.indices.get_index_template(name=index)["index_templates"]
        kept = shown["index_template"]
        assert (shown["name"], kept["version"], kept["priority"], kept["_meta"]) == (index, version, 500, meta)
    assert es.indices.exists_index_template(name=index)


def test_a_new_index_has_the_mapping_of_its_template(es: Elasticsearch, index: str) -> None:
    es.indices.put_index_template(name=index, priority=500, **template(index, k="byte"))
    assert write(es, f"{index}-1", {"k": 1}, {"new": 1}, {"k": "x"}) == [201, (400, STRICT), (400, MALFORMED)]
    own = {"dynamic": "false", "properties": {"own": {"type": "byte"}}}
    es.indices.create(index=f"{index}-2", mappings=own)
    assert [es.indices.exists(index=f"{index}-{name}").body for name in ("2", "3", "none*")] == [True, False, True]
    outcomes = write(es, f"{index}-2", {"k": 1, "own": 1, "new": 1}, {"k": "x"}, {"own": "x"})
    assert outcomes == [201, (400, MALFORMED), (400, MALFORMED)]


def test_the_template_with_the_highest_priority_wins(es: Elasticsearch, index: str) -> None:
    for name, priority, kind in (("low", 10, "byte"), ("high", 20, "long"), ("lowest", 5, "byte")):
        es.indices.put_index_template(name=f"{index}-{name}", priority=priority, **template(index, k=kind))
    assert write(es, f"{index}-1", {"k": 300}) == [201]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"index_patterns": []}, (400, ILLEGAL)),
        ({"template": {"mappings": {"properties": {"k": {"type": "nonsense"}}}}}, (400, ILLEGAL)),
        ({"priority": -1}, (400, INVALID)),
    ],
)
def test_templates_that_cannot_be(es: Elasticsearch, index: str, change: Json, expected: tuple[int, str]) -> None:
    body = {**template(index), **change}
    assert refusal(lambda: es.indices.put_index_template(name=index, **body)) == expected
    assert not es.indices.exists_index_template(name=index)


@pytest.mark.parametrize(
    ("one", "two", "overlap"),
    [("x-*", "x-*", True), ("x-*", "x-1", True), ("x*1", "x2*", True), ("x-*1", "x-*2", False), ("x-1", "x-2", False)],
)
def test_templates_of_one_priority_must_not_overlap(
    es: Elasticsearch, index: str, one: str, two: str, overlap: bool
) -> None:
    def put(name: str, pattern: str, priority: int) -> None:
        es.indices.put_index_template(name=index + name, priority=priority, index_patterns=[index + pattern])

    put("-one", one, 77)
    put("-one", one, 77)
    if overlap:
        with pytest.raises(
            Exception, match=rf"existing templates \[{index}-one\] with patterns .* same priority \[77\]"
        ):
            put("-two", two, 77)
        assert refusal(lambda: put("-two", two, 77)) == (400, ILLEGAL)
    put("-two", two, 78 if overlap else 77)
