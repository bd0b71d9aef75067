"""The parameter ``filter_path``: the parts of an answer that are sent."""

from functools import lru_cache
from typing import Any

from servers.embedded.elasticsearch.errors import unknown

Paths = tuple[tuple[str, ...], ...]


def paths(text: str) -> Paths:
    """Read paths such as ``errors,items.*.status``. ``*`` stands for any one name.

    Raises:
        Refused: there are other patterns in it.
    """
    read = tuple(tuple(path.split(".")) for path in text.split(","))
    for name in (name for path in read for name in path):
        if not name or name.startswith("-") or ("*" in name and name != "*"):
            raise unknown(f"such a part of filter_path: [{name}]")
    return read


def only(value: Any, parts: Paths) -> Any:
    """The parts of a JSON value at these paths; None if there are none.

    As on the real server, a list loses the elements of which nothing is left: later ones change their position.
    """
    if () in parts:
        return value
    if isinstance(value, list):
        return [kept for inner in value if (kept := only(inner, parts)) is not None] or None
    if not isinstance(value, dict):
        return None
    kept = {name: only(inner, below) for name, inner in value.items() if (below := _below(parts, name))}
    return {name: inner for name, inner in kept.items() if inner is not None} or None


@lru_cache(1024)
def _below(parts: Paths, name: str) -> Paths:
    return tuple(tuple(rest) for head, *rest in parts if head in ("*", name))
