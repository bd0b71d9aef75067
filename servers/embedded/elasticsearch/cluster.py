"""The indices, by their names, patterns and aliases; and the bound on what they hold."""

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from servers.embedded.elasticsearch.errors import Refused, illegal_argument, missing_index
from servers.embedded.elasticsearch.index import Index
from servers.embedded.elasticsearch.templates import Templates, stacked

Json = dict[str, Any]

_UNUSABLE: list[tuple[Callable[[str], object], str]] = [
    (lambda name: not name, "must not be empty"),
    (re.compile(r'[/\\ "<*?>|,]').search, 'must not contain the following characters / \\ " < * ? > | , or a space'),
    (lambda name: "#" in name, "must not contain '#'"),
    (lambda name: ":" in name, "must not contain ':'"),
    (lambda name: name[0] in "_-+", "must not start with '_', '-', or '+'"),
    (lambda name: len(name.encode()) > 255, "index name is too long"),
    (lambda name: name in (".", ".."), "must not be '.' or '..'"),
    (lambda name: name != name.lower(), "must be lowercase"),
]


class Cluster:
    """All indices, with ``max_documents`` documents in them at most: beyond that the oldest go, and are counted.

    Not thread-safe.
    """

    def __init__(self, max_documents: int) -> None:
        self.indices: dict[str, Index] = {}
        self.templates = Templates()
        self.dropped = 0
        self._max_documents = max_documents

    def create(self, name: str, body: Json) -> Index:
        """Make an index of its templates and of ``body``.

        Raises:
            Refused: there is one, or an alias, of that name; or it cannot be.
        """
        if name in self.indices:
            where = {"index_uuid": self.indices[name].uuid, "index": name}
            reason = f"index [{name}/{where['index_uuid']}] already exists"
            raise Refused(400, "resource_already_exists_exception", reason, where)
        for unusable, reason in _UNUSABLE:
            if unusable(name):
                raise _bad_name(name, reason)
        if self._aliased(name):
            raise _bad_name(name, "already exists as alias")
        made_of = stacked(self.templates.of(name), body)
        index = Index(name, made_of["settings"], made_of["mappings"])
        index.aliases = made_of["aliases"]
        self.indices[name] = index
        return index

    def found(self, expression: str, *, ignore_missing: bool = False) -> list[Index]:
        """The indices of an expression: names, aliases and patterns with commas between; ``_all``.

        Raises:
            Refused: a name without pattern is missing, and that is not to be ignored.
        """
        found: dict[str, Index] = {}
        for name in expression.split(","):
            if name in ("_all", "*", ""):
                found.update(self.indices)
            elif "*" in name:
                found.update({index.name: index for index in self._matching(name)})
            elif name in self.indices:
                found[name] = self.indices[name]
            elif aliased := self._aliased(name):
                found.update({index.name: index for index in aliased})
            elif name.startswith("_"):
                raise _bad_name(name, "must not start with '_'.")
            elif not ignore_missing:
                raise missing_index(name)
        return list(found.values())

    def one(self, name: str) -> Index:
        """The index of that name, or that an alias of that name stands for alone; Refused where there is none."""
        if name in self.indices:
            return self.indices[name]
        aliased = self._aliased(name)
        if not aliased:
            raise missing_index(name)
        if len(aliased) > 1:
            several = ", ".join(sorted(index.name for index in aliased))
            reason = f"alias [{name}] has more than one index associated with it [{several}]"
            raise illegal_argument(f"{reason}, can't execute a single index op")
        return aliased[0]

    def to_write(self, name: str, *, make: bool = True, require_alias: bool = False) -> Index:
        """The index that a write to that name goes to; it is made where it is missing, unless not to ``make`` it.

        Raises:
            Refused: it is missing, or cannot be made; or an alias is required, and it is none; or it is an alias
                without an index to write to.
        """
        if name in self.indices and not require_alias:
            return self.indices[name]
        aliased = self._aliased(name)
        if require_alias and not aliased:
            reason = f"no such index [{name}] and [require_alias] request flag is [true] and [{name}] is not an alias"
            raise Refused(404, "index_not_found_exception", reason, {"index_uuid": "_na_", "index": name})
        if not aliased and not make:
            raise missing_index(name)
        if not aliased:
            return self.create(name, {})
        chosen = [index for index in aliased if index.aliases[name].get("is_write_index")]
        if not chosen and len(aliased) == 1 and "is_write_index" not in aliased[0].aliases[name]:
            chosen = aliased
        if len(chosen) != 1:
            raise illegal_argument(
                f"no write index is defined for alias [{name}]. The write index may be explicitly disabled using "
                "is_write_index=false or the alias points to multiple indices without one being designated as a "
                "write index"
            )
        return chosen[0]

    def delete(self, expression: str) -> None:
        """Delete indices by their own names.

        Raises:
            Refused: one is missing; or it is a pattern or an alias, which could delete more than was meant.
        """
        if "*" in expression or expression == "_all":
            raise illegal_argument("Wildcard expressions or all indices are not allowed")
        found = self.found(expression)
        for name in expression.split(","):
            if name not in self.indices:
                raise illegal_argument(
                    f"The provided expression [{name}] matches an alias, specify the corresponding concrete indices "
                    "instead."
                )
        for index in found:
            del self.indices[index.name]

    def trim(self) -> None:
        """Drop the oldest documents beyond the bound."""
        excess = sum(len(index.documents) for index in self.indices.values()) - self._max_documents
        for _ in range(excess):
            ages = ((age, index) for index in self.indices.values() if (age := index.oldest()) is not None)
            min(ages, key=lambda found: found[0])[1].drop_oldest()
            self.dropped += 1

    def _aliased(self, name: str) -> list[Index]:
        return [index for index in self.indices.values() if name in index.aliases]

    def _matching(self, pattern: str) -> Iterable[Index]:
        for index in self.indices.values():
            if any(fnmatchcase(name, pattern) for name in (index.name, *index.aliases)):
                yield index


def _bad_name(name: str, reason: str) -> Refused:
    reason = f"Invalid index name [{name}], {reason}"
    return Refused(400, "invalid_index_name_exception", reason, {"index_uuid": "_na_", "index": name})
