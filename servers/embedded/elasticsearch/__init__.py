"""An Elasticsearch inside this process: in memory, for tests and for a person without a cluster."""

from servers.embedded.elasticsearch.embedded import EmbeddedElasticsearch
from servers.embedded.elasticsearch.faults import Fault, Faults, Request, in_turn

__all__ = ["EmbeddedElasticsearch", "Fault", "Faults", "Request", "in_turn"]
