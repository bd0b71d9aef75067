"""The embedded Elasticsearch as its users see it."""

import threading
from types import TracebackType

from typing_extensions import Self

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.faults import Faults
from servers.embedded.elasticsearch.server import Server


class EmbeddedElasticsearch:
    """An Elasticsearch 8 on a free port of 127.0.0.1, for the official client, until ``close``.

    It has indices with mappings, templates and aliases; bulk, single documents, external versions; count and search
    with the commoner queries and aggregations: what it has, it does as the real one, and anything else it refuses.
    Unlike there, what is written is found at once, without a refresh; and all is kept in memory: **the oldest
    documents go once there are more than** ``max_documents``.

    ``faults`` makes requests fail: see `servers.embedded.elasticsearch.faults`.
    """

    def __init__(self, max_documents: int = 50_000) -> None:
        self._cluster = Cluster(max_documents)
        self._server = Server(self._cluster)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def faults(self) -> Faults | None:
        """What goes wrong with the requests to come; None: nothing."""
        return self._server.faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._server.faults = faults

    @property
    def dropped(self) -> int:
        """How many documents had to go since there were too many."""
        return self._cluster.dropped

    def made(self, index: str) -> int:
        """How many documents an index has had, those that had to go included; 0 without the index."""
        found = self._cluster.indices.get(index)
        return len(found.documents) + found.dropped if found else 0

    def close(self) -> None:
        """Close all connections and refuse new ones; all data is gone. A second call does nothing."""
        if self._thread.is_alive():
            self._server.close()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
