"""The flow of page views, on the stand-ins of its servers."""

import threading
from typing import Any

from bytewax.testing import run_main
from confluent_kafka import Producer
from elasticsearch import Elasticsearch

from examples.page_views import flow
from servers.embedded.elasticsearch import EmbeddedElasticsearch
from servers.embedded.kafka import EmbeddedKafka
from tests.sinks.test_elasticsearch import wait_until
from tests.sinks.test_kafka import read


def test_views_are_indexed_with_the_country_of_their_user() -> None:
    stopping = threading.Event()
    with EmbeddedKafka() as kafka, EmbeddedElasticsearch() as server, Elasticsearch(server.url) as client:
        for topic in ("views", "users", "odd"):
            kafka.create_topic(topic, partitions=2)
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for user, country in ((1, "NL"), (2, "FR"), (1, "DE")):
            producer.produce("users", b'{"id":%d,"country":"%s"}' % (user, country.encode()), str(user))
        for number in range(100):
            producer.produce("views", b'{"id":"v%d","user":%d,"page":"/"}' % (number, 1 + number % 2), str(number % 2))
        producer.produce("views", b"no view", "0")
        assert producer.flush(30) == 0
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
