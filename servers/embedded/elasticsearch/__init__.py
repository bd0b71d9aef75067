"""A stand-in for Elasticsearch 8 inside this process, for tests and for `make run`: `EmbeddedElasticsearch`."""

from servers.embedded.elasticsearch.faults import Fault, Faults, ItemFaults, Request, in_turn
from servers.embedded.elasticsearch.server import EmbeddedElasticsearch

__all__ = ["EmbeddedElasticsearch", "Fault", "Faults", "ItemFaults", "Request", "in_turn"]
