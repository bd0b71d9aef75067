"""From a method and a path to the function that answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from servers.embedded.elasticsearch.cluster import Cluster
from servers.embedded.elasticsearch.errors import Refused, illegal_argument, unreadable
from servers.embedded.elasticsearch.faults import ItemFaults

Json = dict[str, Any]
Answer = tuple[int, Json]

_EVERYWHERE = {"filter_path", "pretty", "human", "error_trace"}


class Unroutable(Exception):
    """There is nothing at the path, or not for the method. The error that tells of it has another form than all others.

    Args:
        status: of the answer.
        reason: for a person.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    def body(self) -> Json:
        """The error as the answer to the request."""
        return {"error": str(self)} if self.status == 400 else {"error": str(self), "status": self.status}


@dataclass
class Call:
    """A request that has found its function."""

    path: str
    names: dict[str, str]
    """What stands in the path for ``{index}`` and the like."""
    parameters: dict[str, str]
    body: bytes
    items: ItemFaults | None

    def json(self) -> Json:
        """The body; ``{}`` where there is none. Refused where it is no JSON object."""
        if not self.body.strip():
            return {}
        try:
            body = orjson.loads(self.body)
        except ValueError as error:
            raise unreadable(error) from error
        if not isinstance(body, dict):
            raise Refused(400, "parsing_exception", "Expected [START_OBJECT]")
        return body

    def required_json(self) -> Json:
        """The body, which must be there."""
        if not self.body.strip():
            raise Refused(400, "parse_exception", "request body is required")
        return self.json()

    def flag(self, name: str) -> bool:
        """Whether a parameter is ``true``, or there without a value."""
        return self.parameters.get(name, "false") in ("true", "")

    def number(self, name: str) -> int:
        """A parameter that is there and must be a number."""
        try:
            return int(self.parameters[name])
        except ValueError as error:
            raise illegal_argument(
                f"Failed to parse int parameter [{name}] with value [{self.parameters[name]}]"
            ) from error


Handler = Callable[[Cluster, Call], Answer]


class Route:
    """One way to ask: methods and path with ``{names}`` in it, and the parameters that are understood."""

    def __init__(self, methods: str, path: str, handler: Handler, parameters: str = "") -> None:
        self.methods = methods.split()
        self.handler = handler
        self._parts = path.strip("/").split("/")
        self.literals = sum(not part.startswith("{") for part in self._parts)
        self._parameters = _EVERYWHERE | set(parameters.split())

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """What stands for the names in this path; None where it is another."""
        if len(parts) != len(self._parts):
            return None
        names = {}
        for own, part in zip(self._parts, parts, strict=True):
            if own.startswith("{"):
                names[own[1:-1]] = part
            elif own != part:
                return None
        return names

    def check(self, path: str, parameters: Json) -> None:
        """Refuse parameters that are not understood: they would be without effect."""
        for name in parameters.keys() - self._parameters:
            raise illegal_argument(f"request [{path}] contains unrecognized parameter: [{name}]")


def find(
    routes: Sequence[Route], method: str, target: str, body: bytes, items: ItemFaults | None
) -> tuple[Handler, Call]:
    """Give the function for a request, and the call that it is asked with.

    Raises:
        Unroutable: there is none.
        Refused: it has a parameter that is not understood.
    """
    url = urlsplit(target)
    parts = [unquote(part) for part in url.path.strip("/").split("/")]
    matching = [(route, names) for route in routes if (names := route.match(parts)) is not None]
    if not matching:
        raise Unroutable(400, f"no handler found for uri [{target}] and method [{method}]")
    literals = max(route.literals for route, _ in matching)
    nearest = [(route, names) for route, names in matching if route.literals == literals]
    for route, names in nearest:
        if method in route.methods:
            parameters = dict(parse_qsl(url.query, keep_blank_values=True))
            route.check(url.path, parameters)
            return route.handler, Call(url.path, names, parameters, body, items)
    allowed = ", ".join(sorted(each for route, _ in nearest for each in route.methods))
    raise Unroutable(405, f"Incorrect HTTP method for uri [{target}] and method [{method}], allowed: [{allowed}]")
