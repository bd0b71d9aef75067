"""A real Elasticsearch on this machine."""

from servers.elasticsearch.home import unavailable
from servers.elasticsearch.server import Elasticsearch

__all__ = ["Elasticsearch", "unavailable"]
