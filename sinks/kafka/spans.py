"""Which offsets of a topic hold messages that may be written again. Pure."""

from collections.abc import Iterable, Sequence

Span = tuple[int, int, int]
"""A partition, an offset in it, and the offset that ends the span."""

State = tuple[int, str, str | None, tuple[Span, ...], tuple[int, ...]]
"""What a lane keeps in the recovery store: VERSION; the topic; its id, where the broker tells it; spans of earlier
runs that may come again; the end offset of each partition. What the lane writes after the snapshot is above these."""

VERSION = 1

_MAX_SPANS = 8
_GAP = 10_000
"""So many messages between two spans are read as well: that is faster than to begin at a second place."""


def is_state_of(topic: str, state: object) -> bool:
    """Whether this is a state that a lane of this topic has kept."""
    return isinstance(state, tuple) and len(state) == 5 and state[:2] == (VERSION, topic)


def to_read(states: Iterable[State], topic_id: str | None, ends: Sequence[int]) -> list[Span]:
    """What must be read to know all that may be written again, in a topic that has these ends now.

    Of a topic that was deleted and made anew since, that is all; of a partition that was added since, too.
    """
    spans: list[Span] = []
    for _, _, known_id, closed, starts in set(states):
        is_shorter = len(ends) < len(starts) or any(map(int.__gt__, starts, ends))
        is_another = known_id is not None and topic_id is not None and known_id != topic_id
        spans += between((), ends) if is_shorter or is_another else [*closed, *between(starts, ends)]
    return merge(spans)


def between(starts: Sequence[int], ends: Sequence[int]) -> list[Span]:
    """The spans from one moment's ends to a later one's."""
    starts = [*starts, *[0] * (len(ends) - len(starts))]
    return merge((partition, start, end) for partition, (start, end) in enumerate(zip(starts, ends, strict=True)))


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or have little between them, and leave out those that are empty.

    The last 8 of a partition are kept: of 8 starts, each after a crash, in each of which messages did not come again.
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
