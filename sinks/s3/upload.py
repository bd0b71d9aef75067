"""The upload of one object as a state machine: which requests S3 is to be sent, and what an answer changes. No I/O.

::

    NEW -> BEGINNING -> OPEN -> COMPLETING -> COMPLETE -> TIDYING -> DONE
     '---> PUTTING ---------------------------->'
    OPEN, COMPLETING -> UNSURE -> LOOKING -> COMPLETE, OPEN, NEW

Its methods may be called from any thread. Each request is handed out once, so that it has one owner: two parts of an
upload that somebody has removed do not both begin it again. A part is either here or with S3; its bytes are dropped
when S3 has taken it. So an upload that was removed is begun again while all its parts are here, and lost otherwise.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from threading import Lock
from typing import Any

from sinks.s3.errors import LostUpload

log = logging.getLogger(__name__)


class Stage(Enum):
    """How far S3 has the object."""

    NEW = "there is no multipart upload"
    BEGINNING = "one is being begun"
    OPEN = "it takes parts"
    COMPLETING = "it is being completed"
    PUTTING = "the object goes up in one request"
    UNSURE = "the upload may be gone because the object is complete"
    LOOKING = "S3 is asked whether it is"
    COMPLETE = "the object is visible"
    TIDYING = "uploads of its key that nobody goes on with are being aborted"
    DONE = "nothing is left to do"


_MOVES = {
    Stage.NEW: {Stage.BEGINNING, Stage.PUTTING},
    Stage.BEGINNING: {Stage.OPEN},
    Stage.OPEN: {Stage.COMPLETING, Stage.UNSURE},
    Stage.COMPLETING: {Stage.COMPLETE, Stage.UNSURE},
    Stage.PUTTING: {Stage.COMPLETE},
    Stage.UNSURE: {Stage.LOOKING},
    Stage.LOOKING: {Stage.COMPLETE, Stage.OPEN, Stage.NEW},
    Stage.COMPLETE: {Stage.TIDYING},
    Stage.TIDYING: {Stage.DONE},
}


class May(IntEnum):
    """What may be asked of S3, by what durable snapshots know of the object."""

    WAIT = 0
    """Nothing: none has its key."""
    SEND = 1
    """Parts may be sent."""
    COMPLETE = 2
    """The object may become visible: one has it sealed."""


@dataclass(frozen=True)
class Here:
    """A part whose bytes are here."""

    data: bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data)


@dataclass(frozen=True)
class Stored:
    """A part that S3 has."""

    size: int
    etag: str


@dataclass(frozen=True)
class Begin:
    """Begin a multipart upload; the answer is its id."""


@dataclass(frozen=True)
class Send:
    """Send a part; the answer is its tag."""

    id: str
    number: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Complete:
    """Make an object of the parts."""

    id: str
    etags: tuple[str, ...]


@dataclass(frozen=True)
class Put:
    """Send the object as a whole."""

    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Look:
    """Look for the object; the answer is its size, None where it is not there, or `Hidden`."""


@dataclass(frozen=True)
class Tidy:
    """Abort other uploads of the key: begun by a run that died, or by a request whose answer was lost."""


Request = Begin | Send | Complete | Put | Look | Tidy


@dataclass(frozen=True)
class Hidden:
    """S3 does not say whether the object is there."""

    why: str


Answer = str | int | Hidden | None


class Upload:
    """An object on its way to S3."""

    def __init__(
        self,
        key: str,
        *,
        bucket: str,
        content_type: str,
        rows: int = 0,
    ) -> None:
        self.key, self.bucket, self.content_type, self.rows = key, bucket, content_type, rows
        self.id: str | None = None
        """Of the multipart upload, while S3 has it as far as is known."""
        self.stage = Stage.NEW
        self.sealed = False
        """There are no more parts to come."""
        self.counted = 0
        """Bytes of it that `Uploads` counts as waiting."""
        self._may = May.WAIT
        self._parts: list[Here | Stored] = []
        self._asked = set[int]()
        """Numbers of the parts that were handed out for this id."""
        self._why_gone = ""
        self._lock = Lock()

    def add(self, data: bytes) -> None:
        """Take the next part."""
        with self._lock:
            self._parts.append(Here(data))

    def seal(self, last: bytes) -> None:
        """Take the object's last bytes; none where the parts so far are all of it."""
        with self._lock:
            if last:
                self._parts.append(Here(last))
            self.sealed = True

    def allow(self, may: May) -> None:
        """Allow requests. What was allowed stays so."""
        with self._lock:
            self._may = max(self._may, may)

    @property
    def size(self) -> int:
        """Bytes of all parts so far."""
        return sum(part.size for part in self._parts)

    @property
    def parts(self) -> int:
        """How many there are so far."""
        return len(self._parts)

    @property
    def waiting(self) -> int:
        """Bytes of parts that may be sent, and that S3 has not taken."""
        with self._lock:
            return sum(part.size for part in self._parts if isinstance(part, Here)) if self._may else 0

    def requests(self) -> list[Request]:
        """What S3 is to be asked now; the caller owes the answer to each."""
        with self._lock:
            return [*self._due()] if self._may else []

    def answered(self, request: Request, answer: Answer) -> bool:
        """Go on with S3's answer; return whether the object has become visible.

        Raises:
            LostUpload: the object cannot be completed.
        """
        with self._lock:
            match request:
                case Begin():
                    self.id = str(answer)
                    self._move(Stage.OPEN)
                case Send(id=id, number=number):
                    if id == self.id:  # otherwise a part of an upload that is gone
                        self._parts[number - 1] = Stored(len(request.data), str(answer))
                case Complete():
                    self._move(Stage.COMPLETE)
                case Put():
                    self._parts = [Stored(len(request.data), "")]
                    self._move(Stage.COMPLETE)
                case Look():
                    self._looked(answer)
                case Tidy():
                    self._move(Stage.DONE)
            return self.stage is Stage.COMPLETE

    def gone(self, request: Send | Complete, why: str) -> None:
        """Go on after S3 has said that it does not have the upload, or not all of its parts."""
        with self._lock:
            if request.id == self.id:
                self.id, self._why_gone = None, why
                self._asked.clear()
                self._move(Stage.UNSURE)

    def save(self) -> dict[str, Any]:
        """The object for a snapshot, as plain values."""
        with self._lock:
            return {
                "key": self.key,
                "bucket": self.bucket,
                "content_type": self.content_type,
                "rows": self.rows,
                "id": self.id,
                "parts": [
                    (part.size, None, part.data) if isinstance(part, Here) else (part.size, part.etag, None)
                    for part in self._parts
                ],
                "sealed": self.sealed,
                "complete": self.stage in _VISIBLE,
            }

    @classmethod
    def restore(cls, saved: Mapping[str, Any]) -> "Upload":
        """The object of a snapshot, which is durable. If that has it sealed, a later run may have completed it."""
        upload = cls(saved["key"], bucket=saved["bucket"], content_type=saved["content_type"], rows=saved["rows"])
        upload.id, upload.sealed = saved["id"], saved["sealed"]
        upload._parts = [Stored(size, tag) if data is None else Here(data) for size, tag, data in saved["parts"]]
        upload._may = May.COMPLETE if upload.sealed else May.SEND
        if saved["complete"]:
            upload.stage = Stage.COMPLETE
        elif upload.sealed:
            upload.stage = Stage.UNSURE
        elif upload.id:
            upload.stage = Stage.OPEN
        return upload

    def _due(self) -> Iterator[Request]:
        if self.stage is Stage.UNSURE:
            self._move(Stage.LOOKING)
            yield Look()
        elif self.stage is Stage.COMPLETE:
            self._move(Stage.TIDYING)
            yield Tidy()
        elif self.stage is Stage.NEW and self.sealed and len(self._parts) == 1:
            if self._may is May.COMPLETE:
                (whole,) = self._parts
                assert isinstance(whole, Here)  # noqa: S101  # `_looked` sees to it
                self._move(Stage.PUTTING)
                yield Put(whole.data)
        elif self.stage is Stage.NEW and self._parts:
            self._move(Stage.BEGINNING)
            yield Begin()
        elif self.stage is Stage.OPEN and self.id is not None:
            for number, part in enumerate(self._parts, 1):
                if isinstance(part, Here) and number not in self._asked:
                    self._asked.add(number)
                    yield Send(self.id, number, part.data)
            etags = tuple(part.etag for part in self._parts if isinstance(part, Stored))
            if self.sealed and self._may is May.COMPLETE and len(etags) == len(self._parts):
                self._move(Stage.COMPLETING)
                yield Complete(self.id, etags)

    def _looked(self, answer: Answer) -> None:
        if self.sealed and answer == sum(part.size for part in self._parts):
            self._move(Stage.COMPLETE)
        elif self.id is not None:
            self._move(Stage.OPEN)
        elif any(isinstance(part, Stored) for part in self._parts):
            raise LostUpload(self._describe_loss(answer.why if self.sealed and isinstance(answer, Hidden) else ""))
        else:
            if self._why_gone:
                log.warning("the upload of %s is gone, and is begun again: %s", self.key, self._why_gone)
            self._move(Stage.NEW)

    def _move(self, stage: Stage) -> None:
        if stage not in _MOVES.get(self.stage, ()):
            raise AssertionError(f"{self.key}: an upload cannot go from {self.stage.name} to {stage.name}")
        self.stage = stage

    def _describe_loss(self, why_hidden: str) -> str:
        hidden = (
            f", or a run before completed it, which cannot be seen without the rights s3:GetObject and s3:ListBucket "
            f"({why_hidden})"
            if why_hidden
            else ""
        )
        return (
            f"the upload of {self.key} to {self.bucket} is gone (a lifecycle rule, somebody's clean-up?){hidden}, and "
            f"with it {self.rows} rows: {self._why_gone or 'S3 has neither it nor the object'}; start the flow again "
            "without its recovery store, from offsets before them"
        )


_VISIBLE = frozenset({Stage.COMPLETE, Stage.TIDYING, Stage.DONE})
