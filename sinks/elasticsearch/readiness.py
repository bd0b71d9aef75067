"""Checks before the first document: the cluster is Elasticsearch, knows us, and has our index templates."""

import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from elastic_transport import SerializationError, TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from ..errors import Refused, SinkError
from .bulk import describe, one_line
from .client import put
from .cluster import Template

log = logging.getLogger(__name__)

MAJORS = (8, 9)

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


class Elsewhere(Refused):
    """A server answers at the address, but it is no Elasticsearch that we can write to."""


class Untrusted(Refused):
    """The certificate is not of an authority that we trust."""


class Denied(Refused):
    """Our credentials are unknown to the cluster, or lack a right."""


class NotYet(SinkError):
    """The cluster does not answer yet: it is worth waiting for."""


def prepare(client: Elasticsearch, templates: Sequence[Template]) -> None:
    """Check that the cluster takes documents from us, and put the index templates.

    Raises:
        Refused: somebody has to act first; the message is one line.
        NotYet: it does not answer yet; the message says why.
    """
    try:
        _check(client)
        for template in templates:
            _put(client, template)
    except UnsupportedProductError as error:
        raise Elsewhere(f"there is no Elasticsearch there: {what_is_there(error.body)}") from None
    except SerializationError as error:
        raise Elsewhere(f"there is no Elasticsearch there: {one_line(error.message)}") from None
    except ApiError as error:
        raise _refusal(error) from None
    except TransportError as error:
        raise _no_answer(client, error) from None


def what_is_there(info: Any) -> str:
    """A description of the server, by its answer to ``GET /``; "" for an Elasticsearch that we can write to."""
    version = info.get("version") if isinstance(info, dict) else None
    number = str(version.get("number", "")) if isinstance(version, dict) else ""
    if not isinstance(version, dict) or not number:
        return f"what answers says {one_line(str(info), 100)!r}"
    if version.get("distribution"):
        return f"it is {version['distribution']} {number}"
    major = number.partition(".")[0]
    return f"it is version {number}" if not major.isdecimal() or int(major) not in MAJORS else ""


def _check(client: Elasticsearch) -> None:
    # Other versions and products answer to the client's own media type with 400 or 406, not with their names.
    info = client.perform_request("GET", "/", headers={"accept": "*/*"}).body
    if there := what_is_there(info):
        raise Elsewhere(f"Elasticsearch 8 or 9 is needed, and {there}")


def _put(client: Elasticsearch, template: Template) -> None:
    try:
        put(client, template)
    except ApiError as error:
        if error.status_code == 403:
            log.warning("no right to put index template %s: have an administrator put it", template.name)
        elif error.status_code == 401 or error.status_code in _PASSING:
            raise
        else:
            raise Refused(one_line(f"index template {template.name}: {describe(error.body.get('error'))[1]}")) from None


def _refusal(error: ApiError) -> Exception:
    status, body = error.status_code, error.body
    kind, reason = describe(body.get("error") if isinstance(body, dict) else body)
    line = one_line(f"{status} {kind}: {reason}" if kind else f"{status} {reason}")
    if status in _PASSING:
        return NotYet(line)
    if status in {401, 403}:
        return Denied(line)
    if location := error.meta.headers.get("location"):
        return Elsewhere(f"there is no Elasticsearch there: {status}, go to {location}")
    return Elsewhere(f"there is no Elasticsearch there: {line}")


def _no_answer(client: Elasticsearch, error: TransportError) -> Exception:
    message = one_line(error.message)
    if isinstance(error, TlsError) and "CERTIFICATE_VERIFY_FAILED" in message:
        return Untrusted(message)
    if isinstance(error, TlsError) and any(sign in message for sign in _NO_TLS):
        return Elsewhere(f"it does not speak TLS there: write http:// for https:// ({message})")
    nodes = (node.config for node in client.transport.node_pool.all())
    if any(node.scheme == "http" and _speaks_tls(node.host, node.port) for node in nodes):
        return Elsewhere(f"it speaks TLS there: write https:// for http:// ({message})")
    return NotYet(f"{type(error).__name__}: {message}")


def _speaks_tls(host: str, port: int) -> bool:
    """Whether a TLS handshake succeeds. The way in which a server ends a plain connection tells nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), 2) as plain, context.wrap_socket(plain, server_hostname=host):
            return True
    except (OSError, ValueError):
        return False
