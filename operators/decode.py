"""Messages to records, by key group; what cannot be decoded becomes a dead letter."""

import logging
from dataclasses import dataclass
from itertools import repeat
from typing import Callable, Generic, NamedTuple, TypeVar  # noqa: UP035 - Bytewax takes collections.abc's for a class on Python 3.10

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from prometheus_client import Counter

from operators.batch import KEY_GROUPS, Batch
from records.dead_letter import DeadLetter, dead_letter
from records.decoder import ALONE, Decoder
from records.errors import DecodeError
from records.message import Message, Poll

T = TypeVar("T")

log = logging.getLogger(__name__)

_records = Counter(
    "decode_records",
    "Messages by what became of them: decoded, ignored (nothing of this flow's), dead_letter, "
    "dead_letter_again (an earlier run has written it)",
    ["step", "outcome"],
)


class Loaded(NamedTuple):
    """Comes after all that ``partition`` held at start; ``partitions`` of them are to come."""

    partition: int
    partitions: int


class Failures(Batch[DeadLetter]):
    """The dead letters of one poll."""


@dataclass(frozen=True)
class DecodeOut(Generic[T]):
    """Streams of a decoding step."""

    oks: Stream[tuple[str, Batch[T] | Loaded]]
    """Records by key group, in the order of their partition, and markers of loading to every group."""
    errs: Stream[tuple[str, Batch[DeadLetter]]]


@operator
def decode(
    step_id: str,
    up: Stream[Poll],
    decoder: Decoder[T],
    key: Callable[[T], int | None],
) -> DecodeOut[T]:
    """Decode each message and send its record to the key group of its ``key``.

    Args:
        step_id: Unique in the flow; dead letters and metrics name it.
        up: Polls of a Kafka source.
        decoder: Makes records of messages. What it raises becomes a dead letter.
        key: The record's key; a record without one goes to every group.
    """
    name = step_id.rsplit(".", 1)[-1]
    outcomes = "decoded", "ignored", "dead_letter", "dead_letter_again"
    decoded, ignored, failed, failed_again = (_records.labels(name, outcome) for outcome in outcomes)
    groups_count = len(KEY_GROUPS)

    def step(polls: list[Poll]) -> list[tuple[str, Batch[T] | Loaded]]:
        out: list[tuple[str, Batch[T] | Loaded]] = []
        for topic, partition, messages, loaded_of, seen in polls:
            groups: list[Batch[T]] = [Batch() for _ in KEY_GROUPS]
            failures = Failures()
            passed = again = 0
            at_once = decoder.many(messages)
            for message, found in zip(messages, at_once or repeat(ALONE)):  # noqa: B905 - repeat() has no length
                if found is ALONE:
                    try:
                        found = decoder.one(message)  # noqa: PLW2901 - in place of its stand-in
                    except Exception as error:  # whatever a record does to its decoder, the next one is read
                        if (message.offset() or 0) < seen:
                            again += 1
                        else:
                            failures.append(_failure(topic, partition, message, name, error))
                        continue
                if found is None:
                    passed += 1
                elif (at := key(found)) is None:
                    for group in groups:
                        group.append(found)
                else:
                    groups[at % groups_count].append(found)
            out += [item for item in zip(KEY_GROUPS, groups, strict=True) if item[1]]
            if failures:
                out.append((KEY_GROUPS[partition % groups_count], failures))  # type: ignore[arg-type]
            if loaded_of is not None:
                out += [(group_key, Loaded(partition, loaded_of)) for group_key in KEY_GROUPS]
            decoded.inc(len(messages) - passed - again - len(failures))
            ignored.inc(passed)
            failed.inc(len(failures))
            failed_again.inc(again)
        return out

    items = op.flat_map_batch("decode", up, step)
    split = op.branch("failed", items, _is_failure)
    return DecodeOut(oks=split.falses, errs=split.trues)  # type: ignore[arg-type]


def _is_failure(item: tuple[str, object]) -> bool:
    return isinstance(item[1], Failures)


def _failure(topic: str, partition: int, message: Message, step: str, error: Exception) -> DeadLetter:
    if not isinstance(error, DecodeError):
        log.exception("%s: %s-%d at %s", step, topic, partition, message.offset(), exc_info=error)
    return dead_letter(
        topic,
        partition,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        step=step,
        error=type(error).__name__,
        message=str(error),
    )
