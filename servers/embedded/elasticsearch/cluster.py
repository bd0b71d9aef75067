"""The indices and their documents."""

import re
from collections import OrderedDict
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import orjson

from servers.embedded.elasticsearch.errors import Refused, illegal_argument, unknown
from servers.embedded.elasticsearch.mapping import Mapping, overlaid
from servers.embedded.elasticsearch.templates import Templates

_BAD_NAMES: list[tuple[Callable[[str], object], str]] = [
    (lambda name: not name, "must not be empty"),
    (re.compile(r'[/\\ "<*?>|,]').search, 'must not contain the following characters / \\ " < * ? > | , or a space'),
    (re.compile("[#:]").search, "must not contain '#' or ':'"),
    (lambda name: name[0] in "_-+", "must not start with '_', '-', or '+'"),
    (lambda name: len(name.encode()) > 255, "index name is too long"),
    (lambda name: name in (".", ".."), "must not be '.' or '..'"),
    (lambda name: name != name.lower(), "must be lowercase"),
]


class Document(NamedTuple):
    """A document as it was last written."""

    version: int
    source: bytes


class Index:
    """An index without its documents: the mapping, and the number of documents ``made``."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.made = 0


class Cluster:
    """All indices, with ``max_documents`` documents in them at most. Not thread-safe."""

    def __init__(self, max_documents: int) -> None:
        self.indices: dict[str, Index] = {}
        self.templates = Templates()
        self.documents: OrderedDict[tuple[str, str], Document] = OrderedDict()
        """By index and id, in the order of their last write."""
        self._max_documents = max_documents

    def create(self, name: str, mappings: dict[str, Any]) -> Index:
        """Create an index with this mapping above that of its template.

        Raises:
            Refused: the name is taken or no name of an index, or the mapping is bad.
        """
        if name in self.indices:
            raise Refused(400, "resource_already_exists_exception", f"index [{name}] already exists")
        for bad, reason in _BAD_NAMES:
            if bad(name):
                raise Refused(400, "invalid_index_name_exception", f"Invalid index name [{name}], {reason}")
        self.indices[name] = Index(Mapping(overlaid(self.templates.mappings(name), mappings)))
        return self.indices[name]

    def names(self, expression: str) -> list[str]:
        """The indices of names and patterns that are separated by commas.

        Raises:
            Refused: an index is missing. A pattern may match none.
        """
        found = dict[str, None]()
        for part in expression.split(","):
            if part == "_all":
                raise unknown("[_all]: it knows [*]")
            matching = [name for name in self.indices if fnmatchcase(name, part)]
            if not matching and "*" not in part:
                raise Refused(404, "index_not_found_exception", f"no such index [{part}]")
            found.update(dict.fromkeys(matching))
        return list(found)

    def write(
        self, name: str, document_id: str, source: bytes, *, create: bool, version: int | None
    ) -> tuple[bool, int]:
        """Write a document, and create its index if it is missing.

        Args:
            name: of the index.
            document_id: not empty.
            source: the document as JSON.
            create: refuse an id that exists.
            version: an external version (``external_gte``); None for one more than the last.

        Returns:
            Whether the document is new, and its version.

        Raises:
            Refused: the document does not fit the mapping, its id exists, or a newer version does.
        """
        index = self.indices.get(name) or self.create(name, {})
        if not document_id:
            raise illegal_argument("if _id is specified it must not be empty")
        index.mapping.check(document_id, _parsed(source))
        place = name, document_id
        before = self.documents.get(place)
        if before and create:
            raise _conflict(document_id, f"document already exists (current version [{before.version}])")
        if before and version is not None and before.version > version:
            reason = f"current version [{before.version}] is higher than the one provided [{version}]"
            raise _conflict(document_id, reason)
        if version is None:
            version = before.version + 1 if before else 1
        self.documents[place] = Document(version, source)
        if before:
            self.documents.move_to_end(place)
        else:
            index.made += 1
            if len(self.documents) > self._max_documents:
                self.documents.popitem(last=False)
        return before is None, version


def _conflict(document_id: str, reason: str) -> Refused:
    return Refused(409, "version_conflict_engine_exception", f"[{document_id}]: version conflict, {reason}")


def _parsed(source: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(source)
    except ValueError as error:
        cause = Refused(400, "x_content_parse_exception", str(error))
        raise Refused(400, "document_parsing_exception", f"[1:1] failed to parse: {error}", cause) from error
    if not isinstance(parsed, dict):  # the real server's answer, word for word
        reason = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
        raise Refused(500, "not_x_content_exception", reason)
    return parsed
