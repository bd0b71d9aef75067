"""The flow of page views, on the stand-ins of its servers."""

import threading
from typing import Any

from bytewax.testing import run_main
from elasticsearch import Elasticsearch

from examples.page_views import flow
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.kafka import EmbeddedKafka
from servers.topics import write
from tests.sinks.test_elasticsearch import wait_until
from tests.sinks.test_kafka import read


def test_views_are_indexed_with_the_country_of_their_user() -> None:
    stopping = threading.Event()
    with EmbeddedKafka() as kafka, EmbeddedElasticsearch() as server, Elasticsearch(server.url) as client:
        for topic in ("views", "users", "odd"):
            kafka.create_topic(topic, partitions=2)
        user = b'{"id":%d,"country":"%s"}'
        users = [("1", user % (1, b"NL")), ("2", user % (2, b"FR")), ("1", user % (1, b"DE"))]
        write(kafka.bootstrap, "users", users)
        view = b'{"id":"v%d","user":%d,"page":"/"}'
        views = [(str(number % 2), view % (number, 1 + number % 2)) for number in range(100)]
        write(kafka.bootstrap, "views", [*views, ("0", b"no view")])
        job = threading.Thread(target=run_main, args=(flow(kafka.bootstrap, server.url, stopping.is_set),))
        job.start()

        def countries() -> dict[str, Any]:
            client.indices.refresh(index="views")
            found = client.search(index="views", size=1000, query={"match_all": {}})["hits"]["hits"]
            return {hit["_id"]: hit["_source"]["country"] for hit in found}

        try:
            wait_until(lambda: bool(client.indices.exists(index="views")) and len(countries()) == 100)
        finally:
            stopping.set()
            job.join(30)
        assert countries() == {f"v{number}": ("DE", "FR")[number % 2] for number in range(100)}
        ((_, letter),) = read(kafka, "odd")
        assert letter is not None
        assert b"decode_views" in letter
