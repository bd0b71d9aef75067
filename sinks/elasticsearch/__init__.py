"""Elasticsearch as a Bytewax output that loses nothing, however the cluster behaves.

Documents go to background threads; a snapshot holds the documents that are not answered yet. So a slow or absent
Elasticsearch delays neither the flow's other outputs nor its epochs until the buffer is full; then the flow is held
back. Of a bulk request only the documents that failed are sent again, without limit by default. A document that is
itself at fault goes to a dead-letter writer with Elasticsearch's own reason (``verdict.py``). An error that somebody
has to mend stops the flow with one line.

Bytewax has no such output. helpers.bulk of the official client encodes every document again, and does not retry a
document that was refused with 429 while others of its request were taken.
"""

from ..errors import Refused
from .bulk import Document, OpType, Rejected
from .cluster import Cluster, Template
from .senders import Sending
from .sink import ElasticsearchSink

__all__ = ["Cluster", "Document", "ElasticsearchSink", "OpType", "Refused", "Rejected", "Sending", "Template"]
