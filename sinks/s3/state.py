"""The state of a lane of the S3 sink."""

from enum import Enum
from typing import Any

import msgspec

from ..state import State


class Life(Enum):
    """The state of an object in its lane: OPEN, CLOSING, then SEALED or EMPTY. ``Stage`` is its state at S3."""

    OPEN = "open"
    """It takes records."""
    CLOSING = "closing"
    """Its last blocks are being assembled."""
    SEALED = "sealed"
    """Its upload has all parts."""
    VISIBLE = "visible"
    """SEALED, and S3 shows it; only snapshots have this, for otherwise ``Stage`` says so."""
    EMPTY = "empty"
    """All its records were rejected: it is not written."""


class Here(msgspec.Struct, frozen=True, tag="here"):
    """A part whose bytes are in this process."""

    data: bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data)


class Stored(msgspec.Struct, frozen=True, tag="stored"):
    """A part that S3 has."""

    size: int
    etag: str


Part = Here | Stored


class UploadState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object as far as S3 has it."""

    key: str
    bucket: str
    content_type: str
    rows: int
    id: str | None
    """The id of its multipart upload."""
    parts: tuple[Part, ...]


class ObjectState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object, and its records that are in no part."""

    life: Life
    upload: UploadState
    place: tuple[int | str | None, ...]
    since: float
    part_bytes: int
    format: tuple[Any, ...]
    made_by: tuple[str, ...]
    blocks: tuple[bytes, ...]
    ready: tuple[bytes, ...]
    memos: tuple[bytes, ...]
    position: int


class LaneState(State, frozen=True, tag="sinks.s3.v1"):
    """The objects of a lane that are not complete."""

    series: str
    """Drawn with the lane's first object; "" before that."""
    next: int
    """The number of the next object."""
    objects: tuple[ObjectState, ...]
