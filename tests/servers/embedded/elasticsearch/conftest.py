import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from servers.embedded.elasticsearch import EmbeddedElasticsearch
from tests.servers.embedded.elasticsearch.contract import client


@pytest.fixture(scope="package", params=["double", pytest.param("real", marks=pytest.mark.elasticsearch)])
def es(request: pytest.FixtureRequest) -> Iterator[Elasticsearch]:
    """A client of the stand-in, then one of the real server: a test that uses it holds for both."""
    if request.param == "real":
        yield client(request.getfixturevalue("elasticsearch").url)
    else:
        with EmbeddedElasticsearch() as double:
            yield client(double.url)


@pytest.fixture
def index(request: pytest.FixtureRequest) -> str:
    """An index name that no other test has. The index does not exist yet."""
    return f"{request.node.originalname.replace('_', '-')}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def double() -> Iterator[EmbeddedElasticsearch]:
    with EmbeddedElasticsearch() as double:
        yield double
