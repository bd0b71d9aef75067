"""What a user tells of a cluster: where it is, who we are, and its index templates.

The client library is imported where it is used: a flow without Elasticsearch saves its memory, and the time to load it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


@dataclass(frozen=True)
class Cluster:
    """An Elasticsearch cluster and our credentials. The client is of the 8 series, which serves clusters of 8 and 9."""

    hosts: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    """More arguments of the client: ``api_key``, ``basic_auth``, ``ca_certs``, ``http_compress``."""

    def connect(self) -> "Elasticsearch":
        """Make a client. It connects with its first request, and retries nothing: the senders do.

        Raises:
            ValueError: hosts or options are not usable.
        """
        from .client import connect  # noqa: PLC0415

        return connect(self.hosts, self.options)


@dataclass(frozen=True)
class Template:
    """A composable index template."""

    name: str
    body: Mapping[str, Any] = field(hash=False)
    """With a ``version``, a number that rises with every change; and in ``_meta`` the settings that it depends on."""
    priorities: int = 1
    """The number of priorities it may have, from that of the body upwards."""

    def __str__(self) -> str:
        """The request that puts it, for Kibana's console or curl."""
        return f"PUT /_index_template/{self.name}\n{json.dumps(self.body, indent=2)}"
