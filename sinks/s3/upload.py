"""The upload of one object as a state machine: the requests that are due, and the effect of an answer. No I/O.

::

    NEW -> BEGINNING -> OPEN -> COMPLETING -> COMPLETE -> TIDYING -> DONE
     '---> PUTTING ---------------------------->'
    OPEN, COMPLETING -> UNSURE -> LOOKING -> COMPLETE, OPEN, NEW

Its methods may be called from any thread. Each request is handed out once, so it has one owner: if somebody removes an
upload while two parts are on their way, it is begun again once. A part is either ``Here`` or ``Stored``: its bytes are
dropped when S3 has taken it. So an upload that was removed is begun again if all its parts are here, and is lost
otherwise.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from threading import Lock

import msgspec

from .errors import LostUpload
from .state import Here, Part, Stored, UploadState

log = logging.getLogger(__name__)


class Stage(Enum):
    """The state of an object at S3."""

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
    """The requests that are allowed, by the durable snapshots."""

    WAIT = 0
    """None: no durable snapshot has the object's key."""
    SEND = 1
    """Parts may be sent."""
    COMPLETE = 2
    """The object may become visible: a durable snapshot has it sealed."""


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
    """Look for the object; the answer is its size, None if it is not there, or `Hidden`."""


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
        id: str | None = None,  # noqa: A002  # S3's word
        parts: Iterable[Part] = (),
    ) -> None:
        self.key, self.bucket, self.content_type, self.rows = key, bucket, content_type, rows
        self.id = id
        """The id of the multipart upload, unless S3 is known not to have it."""
        self.stage = Stage.NEW
        self.sealed = False
        """Whether it has all its parts."""
        self._may = May.WAIT
        self._parts = list(parts)
        self._counted = 0
        """``waiting`` at the last ``recount``."""
        self._asked = set[int]()
        """Numbers of the parts that were handed out for this id."""
        self._why_gone = ""
        self._lock = Lock()

    def add(self, data: bytes) -> None:
        """Take the next part."""
        with self._lock:
            self._parts.append(Here(data))

    def seal(self, last: bytes) -> None:
        """Take the object's last bytes; b"" if the parts so far are all of it."""
        with self._lock:
            if last:
                self._parts.append(Here(last))
            self.sealed = True

    def allow(self, may: May) -> None:
        """Allow requests. A request that was allowed stays so."""
        with self._lock:
            self._may = max(self._may, may)

    @property
    def size(self) -> int:
        """Bytes of all parts so far."""
        return sum(part.size for part in self._parts)

    @property
    def parts(self) -> int:
        """The number of parts so far."""
        return len(self._parts)

    @property
    def visible(self) -> bool:
        """Whether S3 shows the object."""
        return self.stage in {Stage.COMPLETE, Stage.TIDYING, Stage.DONE}

    def recount(self) -> int:
        """The change since the last call in the bytes that may be sent and that S3 has not taken.

        Bytes that wait for a snapshot are none of them: the flow must not be held back from that snapshot.
        """
        with self._lock:
            may = self._may is May.COMPLETE if self._is_whole() else bool(self._may)
            waiting = sum(part.size for part in self._parts if isinstance(part, Here)) if may else 0
            change, self._counted = waiting - self._counted, waiting
            return change

    def requests(self) -> list[Request]:
        """The requests that are due now; the caller owes the answer to each."""
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

    def save(self) -> UploadState:
        """The object for a snapshot."""
        with self._lock:
            return UploadState(self.key, self.bucket, self.content_type, self.rows, self.id, tuple(self._parts))

    @classmethod
    def restore(cls, saved: UploadState, *, sealed: bool, visible: bool) -> "Upload":
        """The object of a durable snapshot. If it was sealed there, a run since may have completed it."""
        upload = cls(**msgspec.structs.asdict(saved))
        upload.sealed = sealed
        upload._may = May.COMPLETE if sealed else May.SEND
        if visible:
            upload.stage = Stage.COMPLETE
        elif sealed:
            upload.stage = Stage.UNSURE
        elif saved.id:
            upload.stage = Stage.OPEN
        return upload

    def _due(self) -> Iterator[Request]:
        if self.stage is Stage.UNSURE:
            self._move(Stage.LOOKING)
            yield Look()
        elif self.stage is Stage.COMPLETE:
            self._move(Stage.TIDYING)
            yield Tidy()
        elif self._is_whole():
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

    def _is_whole(self) -> bool:
        """Whether it goes up in one request."""
        return self.stage is Stage.NEW and self.sealed and len(self._parts) == 1

    def _looked(self, answer: Answer) -> None:
        if self.sealed and answer == self.size:
            self._parts = [Stored(self.size, "")]
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
