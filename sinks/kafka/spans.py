"""The offsets of a topic whose messages a later run may write again. Pure."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .state import LaneState

Span = tuple[int, int, int]
"""A partition, an offset in it, and the offset that ends the span."""

_MAX_SPANS = 8
_MAX_OFFSETS = 1_000_000
_GAP = 10_000
"""Spans with fewer offsets between them are read as one: that is faster than to seek to the second."""


def to_read(states: Iterable["LaneState"], topic_id: str | None, ends: Sequence[int]) -> list[Span]:
    """The spans to read back, by the lanes' states and the ids and ends of the topic now.

    A topic that was deleted and made again since is read from its start, as is a partition that was added since.
    """
    spans: list[Span] = []
    for state in set(states):
        is_shorter = len(ends) < len(state.ends) or any(map(int.__gt__, state.ends, ends))
        is_another = state.topic_id is not None and topic_id is not None and state.topic_id != topic_id
        spans += between((), ends) if is_shorter or is_another else [*_last(state.spans), *between(state.ends, ends)]
    return merge(spans)


def _last(spans: Iterable[Span]) -> list[Span]:
    """What earlier runs wrote: the last million offsets of each partition.

    More come together only when one crash follows another for hours, each before what was read back is forgotten. By
    then all but the last of them have come again: a run reads at most 500,000 ratings of a partition between snapshots.
    """
    last: list[Span] = []
    room: dict[int, int] = {}
    for partition, start, end in sorted(spans, reverse=True):
        left = room.get(partition, _MAX_OFFSETS)
        last += [(partition, max(start, end - left), end)] if left > 0 else []
        room[partition] = left - (end - start)
    return last


def between(starts: Sequence[int], ends: Sequence[int]) -> list[Span]:
    """The spans from the ends of one moment to those of a later one."""
    starts = [*starts, *[0] * (len(ends) - len(starts))]
    return merge((partition, start, end) for partition, (start, end) in enumerate(zip(starts, ends, strict=True)))


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or are near each other, and drop empty ones.

    The last 8 spans of a partition are kept. More come together only when 8 runs in a row crash before the messages of
    the earlier ones have come again.
    """
    merged: dict[int, list[Span]] = {}
    for partition, start, end in sorted(set(spans)):
        if start >= end:
            continue
        before = merged.setdefault(partition, [])
        if before and start <= before[-1][2] + _GAP:
            before[-1] = partition, before[-1][1], max(before[-1][2], end)
        else:
            before.append((partition, start, end))
    return [span for partition in merged.values() for span in partition[-_MAX_SPANS:]]
