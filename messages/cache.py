"""The schemas of input messages: each is fetched once, in the background, with retries until there is an answer."""

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from messages.avro import AvroReader
from messages.errors import DecodeError, UnknownSchema, UnsupportedFormat
from messages.message import Message
from messages.registry import NoSchemaError, Registry, RegistryAwayError, RegistryRefusedError
from messages.wire import FRAME, FRAME_BYTES, SchemaId, carry_guids, frame, framed_key, framed_value

log = logging.getLogger(__name__)

_fetched = Counter(
    "schema_registry_schemas",
    "Schemas requested, by outcome: fetched, unusable (unknown to the registry, or no valid Avro)",
    ["outcome"],
)
_retries = Counter(
    "schema_registry_retries", "Requests for a schema repeated because the registry did not answer or refused"
)

PATIENCE_SECONDS = 1.0
"""How long to block on the first fetch of a schema; an answer takes some milliseconds. After that, messages that need
it are parked until it arrives."""
_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.2, 5.0
_MAX_UNUSABLE = 10_000
"""The most refused ids that are kept: bytes that are not Avro may begin with any id."""


@dataclass(frozen=True)
class JsonText:
    """Stands for the reader of a JSON Schema: its messages are JSON."""

    name: str


Reader = AvroReader | JsonText


class Schemas:
    """Readers by the id of their schema; safe between threads."""

    def __init__(self, registry: Registry, wanted: frozenset[str]) -> None:
        """Fetch schemas from ``registry``; ``wanted`` is that of ``AvroReader``."""
        self._registry = registry
        self._wanted = wanted
        self._known: dict[SchemaId, Reader | DecodeError] = {}
        self._ready_frames: set[bytes] = set()
        self._asked: dict[SchemaId, threading.Event] = {}
        self._unusable: deque[SchemaId] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._wishes: queue.SimpleQueue[SchemaId] = queue.SimpleQueue()
        self._is_away = False

    def reader(self, schema: SchemaId) -> Reader:
        """The reader of a schema.

        Raises:
            DecodeError: the schema does not exist, or cannot be used.
            SchemaNotThereError: it is being fetched.
        """
        known = self._known.get(schema) or self._fetch(schema)
        if known is None:
            raise SchemaNotThereError(schema)
        if isinstance(known, DecodeError):
            raise known
        return known

    def unready_values(self, messages: Sequence[Message]) -> Collection[int]:
        """The indices of messages with a value whose schema is still being fetched."""
        return self._unready(messages, keys=False)

    def unready(self, messages: Sequence[Message]) -> Collection[int]:
        """The indices of messages with a value or key whose schema is still being fetched."""
        return self._unready(messages, keys=True)

    def _unready(self, messages: Sequence[Message], *, keys: bool) -> Collection[int]:
        # Nearly always all messages begin alike and have no headers; then this is the whole work.
        begins = {value[:FRAME_BYTES] for message in messages if (value := message.value())}
        if keys:
            begins |= {key[:FRAME_BYTES] for message in messages if (key := message.key())}
        if all(begin in self._ready_frames or begin[0] != FRAME for begin in begins) and not carry_guids(messages):
            return ()
        return [index for index, message in enumerate(messages) if self._is_unready(message, keys)]

    def _is_unready(self, message: Message, keys: bool) -> bool:
        found = [framed_value(message), framed_key(message) if keys else None]
        waiting = [framed for framed in found if framed and self._fetch(framed.schema) is None]
        return bool(waiting)

    def _fetch(self, schema: SchemaId) -> Reader | DecodeError | None:
        """Have a schema fetched; the result, if it arrives in PATIENCE_SECONDS."""
        with self._lock:
            if schema in self._known:
                return self._known[schema]
            event = self._asked.get(schema)
            if event is None:
                event = self._asked[schema] = threading.Event()
                self._wishes.put(schema)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="schemas", daemon=True)
                self._thread.start()
        if not self._is_away:
            event.wait(PATIENCE_SECONDS)
        return self._known.get(schema)

    def _run(self) -> None:
        while True:
            schema = self._wishes.get()
            found = self._insist(schema)
            with self._lock:
                self._known[schema] = found
                if isinstance(found, DecodeError):
                    self._unusable.append(schema)
                    if len(self._unusable) > _MAX_UNUSABLE:
                        del self._known[self._unusable.popleft()]
                elif isinstance(schema, int):
                    self._ready_frames.add(frame(schema, b""))
                self._asked.pop(schema).set()
            _fetched.labels("unusable" if isinstance(found, DecodeError) else "fetched").inc()

    def _insist(self, schema: SchemaId) -> Reader | DecodeError:
        """Request a schema until there is an answer."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                reader = self._ask(schema)
            except (RegistryAwayError, RegistryRefusedError) as error:
                if not self._is_away:
                    log.warning("schema %s cannot be fetched, its messages wait: %s", schema, error)
                self._is_away = True
                _retries.inc()
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
            else:
                if self._is_away:
                    log.info("the schema registry answers again")
                self._is_away = False
                return reader

    def _ask(self, schema: SchemaId) -> Reader | DecodeError:
        try:
            found = self._registry.schema(schema)
        except NoSchemaError:
            return UnknownSchema(f"the schema registry knows no schema {schema}")
        name = f"{schema} (subject {', '.join(found.subjects)})" if found.subjects else str(schema)
        if found.kind == "JSON":
            return JsonText(name)
        if found.kind != "AVRO":
            return UnsupportedFormat(f"schema {name} is {found.kind}; of its kinds only AVRO and JSON are read")
        try:
            return AvroReader(name, found.text, found.references, self._wanted)
        except UnsupportedFormat as error:
            return error


class SchemaNotThereError(Exception):
    """A schema is still being fetched; its messages should have been parked."""

    def __init__(self, schema: SchemaId) -> None:
        super().__init__(f"schema {schema} is still being fetched")
