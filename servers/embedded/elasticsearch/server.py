"""The stand-in as its users see it: an address, the faults to inject, a count of documents."""

import threading

from typing_extensions import Self

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.faults import Faults
from servers.embedded.elasticsearch.transport import Server


class EmbeddedElasticsearch:
    """An Elasticsearch 8 at ``url``, a free port of 127.0.0.1, for the official client. It runs until ``close``.

    It knows what the Elasticsearch sink needs: bulk requests, index templates, mappings of flat documents, external
    versions; and, to look at the result, single documents, counts and searches of everything. It answers
    these as the real server does; any other request gets an error with status 400 or 501 and a reason. There is one
    exception: a document is found as soon as it is written, without a refresh.

    Memory is bounded: beyond ``max_documents`` in all indices, each new document replaces the one whose last write is
    the oldest.
    """

    def __init__(self, max_documents: int = 50_000) -> None:
        self._cluster = Cluster(max_documents)
        self._server = Server(self._cluster)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def faults(self) -> Faults | None:
        """The faults of the requests to come; None for no faults."""
        return self._server.faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._server.faults = faults

    def made(self, index: str) -> int:
        """The number of documents that an index has created, replaced ones included; 0 if there is no such index."""
        found = self._cluster.indices.get(index)
        return found.made if found else 0

    def close(self) -> None:
        """Close all connections, refuse new ones and forget all documents. A second call does nothing."""
        if self._thread.is_alive():
            self._server.close()
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
