"""A schema registry that speaks Confluent's API: Confluent's own, Apicurio, Karapace, Redpanda's.

confluent-kafka's client is not used. It would add four packages for four requests, and does not tell a registry that is
down from one that refuses.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

import urllib3
from urllib3.util import Timeout, make_headers, parse_url

from messages.wire import SchemaId

_TIMEOUT = Timeout(connect=2, read=5)
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


class RegistryAwayError(Exception):
    """The registry gave no usable answer: the request may be retried."""


class RegistryRefusedError(Exception):
    """The registry refuses the credentials or the request; the message holds its reason."""


class NoSchemaError(Exception):
    """The registry does not have the schema."""


class RegisteredSchema(NamedTuple):
    """A schema as the registry keeps it."""

    kind: str
    """AVRO, PROTOBUF or JSON."""
    text: str
    references: tuple[str, ...]
    """The texts of the referenced schemas, each after its own references."""
    subjects: tuple[str, ...]
    """The subjects that have the schema; empty if the registry does not tell."""


class Registry:
    """Requests to a registry. Thread-safe; a request takes at most 7 s for each address.

    Args:
        url: The address up to ``/subjects``; several addresses of one registry are separated by commas. A user and
            password in it take precedence over the next two.
        user: For basic authentication.
        password: For basic authentication.
        ca: PEM file of the authority that signed the registry's certificate; None: the system's authorities.
    """

    def __init__(self, url: str, user: str | None = None, password: str | None = None, ca: str | None = None) -> None:
        parsed = [parse_url(one.strip()) for one in url.split(",") if one.strip()]
        if not parsed or any(one.scheme not in {"http", "https"} or not one.host for one in parsed):
            raise ValueError("a schema registry's address begins with http:// or https://")
        self._addresses = [one._replace(auth=None, path=(one.path or "").rstrip("/")).url for one in parsed]
        auth = parsed[0].auth or (f"{user}:{password or ''}" if user else None)
        self._headers = {"Accept": f"{_CONTENT_TYPE}, application/json", "Content-Type": _CONTENT_TYPE}
        if auth:
            self._headers |= make_headers(basic_auth=auth)
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, ca_certs=ca)

    def __str__(self) -> str:
        return ",".join(self._addresses)

    def check(self) -> None:
        """Make a cheap request.

        Raises:
            RegistryAwayError, RegistryRefusedError
        """
        with suppress(NoSchemaError):  # an old registry does not have this, but it is there
            self._ask("GET", "/schemas/types")

    def schema(self, schema_id: SchemaId) -> RegisteredSchema:
        """Fetch a schema.

        Raises:
            NoSchemaError, RegistryAwayError, RegistryRefusedError
        """
        by_id = isinstance(schema_id, int)
        path = f"/schemas/ids/{schema_id}" if by_id else f"/schemas/guids/{schema_id}"
        found = self._ask("GET", path)
        references: dict[str, str] = {}
        self._collect(found.get("references") or (), references)
        versions: Sequence[dict[str, Any]] = ()
        if by_id:
            with suppress(NoSchemaError, RegistryRefusedError):  # not every registry has this; it is only for messages
                versions = self._ask("GET", f"{path}/versions")
        subjects = dict.fromkeys(version["subject"] for version in versions)
        return RegisteredSchema(
            found.get("schemaType", "AVRO"), found["schema"], tuple(references.values()), tuple(subjects)
        )

    def register(self, subject: str, schema: str) -> int:
        """Register ``schema`` under ``subject``, unless it is there.

        Returns:
            Its id.

        Raises:
            RegistryAwayError, RegistryRefusedError: the latter also if the schema is not compatible with earlier ones.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        try:
            return int(self._ask("POST", path, {"schema": schema})["id"])
        except NoSchemaError as error:
            raise RegistryRefusedError(str(error)) from None

    def _collect(self, references: Sequence[dict[str, Any]], found: dict[str, str]) -> None:
        for reference in references:
            subject, version = reference["subject"], reference["version"]
            if f"{subject}-{version}" not in found:
                schema = self._ask("GET", f"/subjects/{quote(subject, safe='')}/versions/{version}")
                self._collect(schema.get("references") or (), found)
                found[f"{subject}-{version}"] = schema["schema"]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        error: Exception | None = None
        content = None if body is None else json.dumps(body)
        for address in self._addresses:
            try:
                response = self._http.request(method, address + path, body=content, headers=self._headers)
            except urllib3.exceptions.HTTPError as failure:
                error = failure
                continue
            if response.status >= 500 or response.status in {408, 429}:
                error = RegistryAwayError(f"status {response.status}: {_reason(response.data)}")
                continue
            return _answer(response.status, response.data)
        raise RegistryAwayError(f"schema registry {self}: {error}")


def _answer(status: int, data: bytes) -> Any:
    if status == 404:
        raise NoSchemaError(_reason(data))
    if status >= 300:
        raise RegistryRefusedError(f"{_reason(data)} (status {status})")
    try:
        return json.loads(data)
    except ValueError:
        raise RegistryAwayError(f"no JSON, but {data[:80]!r}: is that a schema registry?") from None


def _reason(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace") or "no reason given"
