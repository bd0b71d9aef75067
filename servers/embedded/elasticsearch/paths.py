"""Parts of a JSON value by patterns such as ``items.*.status``: for ``filter_path`` and ``_source``."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

_Patterns = tuple[tuple[str, ...], ...]

_NOTHING = object()


def only(value: dict[str, Any], patterns: Iterable[str]) -> dict[str, Any]:
    """Give the parts of ``value`` that a pattern names; those behind a ``-`` are taken away.

    ``*`` stands for any part of a name, ``**`` for any number of names. As with the real server, a list loses the
    elements of which nothing is left: what follows takes another position.
    """
    patterns = [pattern for pattern in patterns if pattern]
    kept = _split(pattern for pattern in patterns if not pattern.startswith("-"))
    dropped = _split(pattern[1:] for pattern in patterns if pattern.startswith("-"))
    found: Any = _keep(value, kept) if kept else value
    if dropped and found is not _NOTHING:
        found = _drop(found, dropped)
    return {} if found is _NOTHING else found


def _split(patterns: Iterable[str]) -> _Patterns:
    return tuple(tuple(pattern.split(".")) for pattern in patterns)


@lru_cache(1024)
def _below(patterns: _Patterns, name: str) -> _Patterns:
    """What is left of the patterns below ``name``; ``()`` among them stands for everything there."""
    left = []
    for pattern in patterns:
        head, *rest = pattern
        if head == "**":
            left.append(pattern)
            left.extend(_below((tuple(rest),), name) if rest else [()])
        elif fnmatchcase(name, head):
            left.append(tuple(rest))
    return tuple(left)


def _keep(value: Any, patterns: _Patterns) -> Any:
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            left = _below(patterns, name)
            found = inner if () in left else _keep(inner, left) if left else _NOTHING
            if found is not _NOTHING:
                kept[name] = found
        return kept or _NOTHING
    if isinstance(value, list):
        return [found for inner in value if (found := _keep(inner, patterns)) is not _NOTHING] or _NOTHING
    return _NOTHING


def _drop(value: Any, patterns: _Patterns) -> Any:
    if isinstance(value, dict):
        left = {name: _below(patterns, name) for name in value}
        return {name: _drop(inner, left[name]) for name, inner in value.items() if () not in left[name]}
    if isinstance(value, list):
        return [_drop(inner, patterns) for inner in value]
    return value
