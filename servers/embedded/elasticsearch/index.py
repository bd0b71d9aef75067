"""An index: its documents, their versions, and what becomes of a write."""

import secrets
import time
from collections import OrderedDict
from itertools import count
from typing import Any, NamedTuple

import orjson

from servers.embedded.elasticsearch.errors import Refused
from servers.embedded.elasticsearch.mapping import Mapping, Values
from servers.embedded.elasticsearch.settings import nested_settings

_MAX_TOMBSTONES = 10_000
"""So many deleted documents keep their version; the real server keeps each for a minute."""

_order = count()


class Document(NamedTuple):
    """A document as it was last written."""

    id: str
    version: int
    seq_no: int
    source: bytes
    """As it came."""
    values: Values
    order: int
    """Grows with every write, in whichever index."""


class Version(NamedTuple):
    """A version that the writer gives (``version_type: external``)."""

    number: int
    or_equal: bool
    """``external_gte``: the version that is there already is written again."""


class Written(NamedTuple):
    """What became of a write."""

    result: str
    status: int
    id: str
    version: int
    seq_no: int


class Index:
    """One index in memory: what is written is found at once, without a refresh.

    Not thread-safe: the cluster's lock is held around it.

    Raises:
        Refused: by a mapping that cannot be.
    """

    def __init__(self, name: str, settings: dict[str, Any], mappings: dict[str, Any]) -> None:
        self.name = name
        self.uuid = secrets.token_urlsafe(16)
        self.created = int(time.time() * 1000)
        self.settings = settings
        self.mapping = Mapping(mappings)
        self.aliases: dict[str, dict[str, Any]] = {}
        self.documents: OrderedDict[str, Document] = OrderedDict()
        """In the order of their last write, by id."""
        self.dropped = 0
        """Documents that had to go since there were too many."""
        self._tombstones: OrderedDict[str, int] = OrderedDict()
        self._next_seq_no = 0

    def put(self, document: str, source: bytes, *, create: bool = False, version: Version | None = None) -> Written:
        """Write a document.

        Raises:
            Refused: it does not fit the mapping; or there is one already, for ``create``; or a newer one.
        """
        values = self.mapping.values(document, _parsed(source))
        before = self.documents.get(document)
        if before is not None and create:
            raise self._conflict(document, f"document already exists (current version [{before.version}])")
        number = self._next_version(document, before, version)
        result, status = ("created", 201) if before is None else ("updated", 200)
        written = Written(result, status, document, number, self._sequence())
        self.documents[document] = Document(document, number, written.seq_no, source, values, next(_order))
        if before is not None:
            self.documents.move_to_end(document)
        elif self._tombstones:
            self._tombstones.pop(document, None)
        return written

    def delete(self, document: str, version: Version | None = None) -> Written:
        """Delete a document, or note the version of one that is not there.

        Raises:
            Refused: the document is newer.
        """
        before = self.documents.get(document)
        number = self._next_version(document, before, version)
        self.documents.pop(document, None)
        self._tombstones[document] = number
        if len(self._tombstones) > _MAX_TOMBSTONES:
            self._tombstones.popitem(last=False)
        result, status = ("deleted", 200) if before else ("not_found", 404)
        return Written(result, status, document, number, self._sequence())

    def oldest(self) -> int | None:
        """The ``order`` of the document that was not written for the longest time; None where there is none."""
        return next(iter(self.documents.values())).order if self.documents else None

    def drop_oldest(self) -> None:
        """Forget that document; only its number is remembered."""
        self.dropped += 1
        self.documents.popitem(last=False)

    def shown(self) -> dict[str, Any]:
        """The index as the server shows it."""
        own = {"provided_name": self.name, "creation_date": str(self.created), "uuid": self.uuid}
        settings = nested_settings({"number_of_shards": "1", "number_of_replicas": "1", **self.settings, **own})
        return {"aliases": self.aliases, "mappings": self.mapping.definition(), "settings": settings}

    def _sequence(self) -> int:
        self._next_seq_no += 1
        return self._next_seq_no - 1

    def _next_version(self, document: str, before: Document | None, asked: Version | None) -> int:
        current = self._tombstones.get(document) if before is None else before.version
        if asked is None:
            return (current or 0) + 1
        if current is not None and (current > asked.number or (current == asked.number and not asked.or_equal)):
            higher = "higher than" if asked.or_equal else "higher or equal to"
            reason = f"current version [{current}] is {higher} the one provided [{asked.number}]"
            raise self._conflict(document, reason)
        return asked.number

    def _conflict(self, document: str, reason: str) -> Refused:
        where = {"index_uuid": self.uuid, "shard": "0", "index": self.name}
        return Refused(409, "version_conflict_engine_exception", f"[{document}]: version conflict, {reason}", where)


def new_id() -> str:
    """An id for a document that came without one."""
    return secrets.token_urlsafe(15)


def _parsed(source: bytes) -> dict[str, Any]:
    if not source:
        raise Refused(400, "document_parsing_exception", "[0:0] failed to parse, document is empty")
    try:
        parsed = orjson.loads(source)
    except ValueError as error:
        cause = Refused(400, "x_content_parse_exception", str(error))
        raise Refused(400, "document_parsing_exception", f"[1:1] failed to parse: {error}", cause=cause) from error
    if not isinstance(parsed, dict):
        # Not what one would wish, but what the server says.
        reason = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"
        raise Refused(500, "not_x_content_exception", reason)
    return parsed
