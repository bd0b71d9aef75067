"""The metrics of a server's process, for Prometheus, and who may read them."""

import hmac

from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest
from starlette.requests import HTTPConnection
from starlette.responses import Response

PATH = "/metrics"

disable_created_metrics()  # type: ignore[no-untyped-call]
"""Otherwise each counter and histogram would have a second family, with the time of its first sample."""


def metrics() -> Response:
    """All metrics of the process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def bears(connection: HTTPConnection, token: bytes) -> bool:
    """Whether a request has the token, as ``Authorization: Bearer TOKEN``."""
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token)
