"""An index of the server under test: made fresh, and compared with what must be in it."""

from collections.abc import Callable
from random import Random
from typing import Any

from elasticsearch import Elasticsearch

from benchmarks.harness.verify import WrongOutput

SAMPLE = 1_000


def make_fresh(client: Elasticsearch, *names: str) -> None:
    """Make empty indices; those that there were of these names are deleted."""
    client.indices.delete(index=list(names), ignore_unavailable=True)
    for name in names:
        client.indices.create(index=name)


def indexed(client: Elasticsearch, *names: str) -> int:
    """How many documents were ever indexed into these indices; to ask makes no work for the server."""
    stats = client.indices.stats(
        index=list(names), metric="indexing", filter_path="_all.primaries.indexing.index_total"
    )
    total: int = stats["_all"]["primaries"]["indexing"]["index_total"]
    return total


def count(client: Elasticsearch, name: str) -> int:
    """How many documents there are."""
    client.indices.refresh(index=name)
    found: int = client.count(index=name)["count"]
    return found


def verify(client: Elasticsearch, name: str, documents: int, expected: Callable[[int], dict[str, Any]]) -> None:
    """Compare how many documents there are, and a sample of them.

    Args:
        client: of the server.
        name: of the index.
        documents: how many, whose ids are numbers from 0.
        expected: the document of a number.

    Raises:
        WrongOutput: with the first difference that was found.
    """
    if (found := count(client, name)) != documents:
        raise WrongOutput(f"{found} documents in {name}, not {documents}")
    numbers = Random(documents).sample(range(documents), min(documents, SAMPLE))
    answers = client.mget(index=name, ids=[str(number) for number in numbers])["docs"]
    for number, answer in zip(numbers, answers, strict=True):
        if answer.get("_source") != expected(number):
            raise WrongOutput(f"{answer}\nexpected: {expected(number)}")
