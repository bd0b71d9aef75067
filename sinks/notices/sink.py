"""Messages to people as a Bytewax output."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from typing_extensions import override

from ..errors import logged
from ..state import State, decode, encode
from .clerk import Clerk, Terms
from .journal import Journal
from .notice import Entry

log = logging.getLogger(__name__)

_LANE = "0000"


class LaneState(State, frozen=True, tag="sinks.notices.v1"):
    """Everything else is in the journal."""

    journal: str
    """Its name."""


@dataclass(frozen=True)
class NoticeSink(FixedPartitionedSink[Iterable[Entry], bytes]):
    """Tells entries. A stream item is ``(key, entries)``.

    It has a single lane: the limits have one owner, however many processes there are. ``snapshot()`` returns when all
    entries are in the journal, from which the next run goes on, be it without a recovery store.
    """

    terms: Terms
    journal_name: str
    journal: Callable[[], Journal]
    """Opens it, in the process that has the lane."""

    @override
    def list_parts(self) -> list[str]:
        return [_LANE]

    @override
    def part_fn(self, item_key: str) -> int:
        return 0

    @override
    @logged(__name__)
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_Lane":
        if resume_state is not None and (before := decode(LaneState, resume_state).journal) != self.journal_name:
            log.warning("the journal was %s: what it holds untold stays so until it is the journal again", before)
        return _Lane(self)


class _Lane(StatefulSinkPartition[Iterable[Entry], bytes]):
    def __init__(self, sink: NoticeSink) -> None:
        self._state = encode(LaneState(sink.journal_name))
        self._clerk = Clerk(sink.terms, sink.journal())

    @override
    @logged(__name__)
    def write_batch(self, values: list[Iterable[Entry]]) -> None:
        for entries in values:
            self._clerk.take(entries)

    @override
    @logged(__name__)
    def snapshot(self) -> bytes:
        self._clerk.flush()
        return self._state

    @override
    def close(self) -> None:
        self._clerk.close()
