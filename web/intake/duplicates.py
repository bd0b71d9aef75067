"""Names that stand twice in an object: readers of JSON disagree which of them counts. Pure."""

import json

import msgspec

from records.rating import FIELDS

_Plain = msgspec.defstruct(
    "_Plain", [(name, object, msgspec.UNSET) for name in FIELDS], forbid_unknown_fields=True, gc=False
)
"""A rating with any of its fields, and no others."""
_decode, _encode = msgspec.json.Decoder(list[_Plain]).decode, msgspec.json.Encoder().encode  # type: ignore[valid-type]


def duplicate(ratings: bytes) -> str | None:
    """A name that stands twice in one object of a list, which is valid JSON; None: there is no such name.

    Raises:
        RecursionError: the list is nested too deeply.
    """
    if _are_plain(ratings):
        return None
    try:
        # Numbers are not read: an unread field may hold one of any length.
        json.loads(ratings.decode(), object_pairs_hook=_unique, parse_int=len, parse_float=len)
    except _DuplicateError as error:
        return error.name
    return None


def _are_plain(ratings: bytes) -> bool:
    """Whether the ratings are of the usual form, without a name that stands twice: six times as fast as ``json``.

    Without a backslash each name and each text has two quotation marks. Of a name that stands twice the decoder keeps
    one, and what it has read is written with fewer quotation marks.
    """
    if b"\\" in ratings:
        return False
    try:
        read = _decode(ratings)
    except msgspec.ValidationError:
        return False
    return _encode(read).count(b'"') == ratings.count(b'"')


class _DuplicateError(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) == len(pairs):
        return
    seen = set[str]()
    for name, _ in pairs:
        if name in seen:
            raise _DuplicateError(name)
        seen.add(name)
