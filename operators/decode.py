"""Messages to records, by key group; what cannot be decoded becomes a dead letter."""

from dataclasses import dataclass
from typing import Any, Callable, Generic, Literal, NamedTuple, Sequence, TypeVar  # noqa: UP035 - Bytewax takes collections.abc's for a class on Python 3.10

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from prometheus_client import Counter

from messages.dead_letter import DeadLetter, of_message
from messages.decoder import ALONE, Alone, Decoder
from messages.errors import DecodeError
from messages.message import Message, Poll
from operators.batch import KEY_GROUPS, Batch
from operators.failure import Unexpected
from operators.limit import FailureLimit

T = TypeVar("T")

_records = Counter(
    "decode_records",
    "Messages read, by outcome: decoded, ignored (holds no record of this flow), dead_letter, dead_letter_again (an "
    "earlier run wrote the dead letter)",
    ["step", "outcome"],
)


_NO_RECORD = frozenset({Alone, type(None)})


class Loaded(NamedTuple):
    """Comes after all that ``partition`` held at start; ``partitions`` of them are to come."""

    partition: int
    partitions: int


class DeadLetters(Batch[DeadLetter]):
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
    limit: FailureLimit,
) -> DecodeOut[T]:
    """Decode each message and send its record to the key group of its ``key``.

    Args:
        step_id: Unique in the flow; dead letters and metrics name it.
        up: Polls of a Kafka source.
        decoder: Makes records of messages. What it raises becomes a dead letter.
        key: The record's key; a record without one goes to every group. What it raises becomes a dead letter.
        limit: Stops the flow when too many messages become dead letters. Those that an earlier run has written do not
            count.
    """
    name = step_id.rsplit(".", 1)[-1]
    outcomes = "decoded", "ignored", "dead_letter", "dead_letter_again"
    decoded, ignored, failed, failed_again = (_records.labels(name, outcome) for outcome in outcomes)
    undecoded = _Undecoded(name, limit)

    def step(polls: list[Poll]) -> list[tuple[str, Batch[T] | Loaded]]:
        out: list[tuple[str, Batch[T] | Loaded]] = []
        for poll in polls:
            groups: list[Batch[T]] = [Batch() for _ in KEY_GROUPS]
            errors: dict[int, Exception] = {}
            passed = 0
            found = at_once(poll.messages)
            if not (_NO_RECORD.isdisjoint(map(type, found)) and _group_together(found, key, groups)):
                groups = [Batch() for _ in KEY_GROUPS]
                passed = _group_one_by_one(decoder, key, poll.messages, found, groups, errors)
            letters = undecoded.letters(poll, errors)
            out += [item for item in zip(KEY_GROUPS, groups, strict=True) if item[1]]
            if letters:
                out.append((KEY_GROUPS[poll.partition % len(KEY_GROUPS)], letters))  # type: ignore[arg-type]
            if poll.loaded_of is not None:
                out += [(group_key, Loaded(poll.partition, poll.loaded_of)) for group_key in KEY_GROUPS]
            decoded.inc(len(poll.messages) - passed - len(errors))
            ignored.inc(passed)
            failed.inc(len(letters))
            failed_again.inc(len(errors) - len(letters))
        return out

    def at_once(messages: Sequence[Message]) -> Sequence[T | Literal[Alone.ALONE] | None]:
        try:
            found = decoder.many(messages)
        except Exception as error:  # the message that is to blame is found alone
            undecoded.unexpected.log("a poll at once, so each of its messages alone", error)
            found = None
        return [ALONE] * len(messages) if found is None else found

    items = op.flat_map_batch("decode", up, step)
    split = op.branch("failed", items, _is_dead_letters)
    return DecodeOut(oks=split.falses, errs=split.trues)  # type: ignore[arg-type]


def _group_together(found: Sequence[Any], key: Callable[[T], int | None], groups: list[Batch[T]]) -> bool:
    """Fill the groups with records, as nearly all polls allow; False if one has no key."""
    try:
        for place, record in zip([*map(key, found)], found, strict=True):
            groups[place % len(groups)].append(record)  # type: ignore[operator]  # None raises
    except Exception:  # which record is to blame is found one by one
        return False
    return True


def _group_one_by_one(
    decoder: Decoder[T],
    key: Callable[[T], int | None],
    messages: Sequence[Message],
    found: Sequence[T | Literal[Alone.ALONE] | None],
    groups: list[Batch[T]],
    errors: dict[int, Exception],
) -> int:
    """Fill the groups, and the errors by offset; return how many messages hold no record."""
    passed = 0
    for message, record in zip(messages, found, strict=True):
        try:
            if record is ALONE:
                record = decoder.one(message)  # noqa: PLW2901 - in place of its stand-in
            if record is None:
                passed += 1
            elif (place := key(record)) is None:
                for group in groups:
                    group.append(record)
            else:
                groups[place % len(groups)].append(record)
        except Exception as error:  # whatever a record does to its decoder, the next one is read
            errors[message.offset() or 0] = error
    return passed


class _Undecoded:
    """Makes dead letters of messages that cannot be decoded."""

    def __init__(self, step: str, limit: FailureLimit) -> None:
        self._step, self._limit = step, limit
        self.unexpected = Unexpected(step)

    def letters(self, poll: Poll, errors: dict[int, Exception]) -> DeadLetters:
        """The dead letters of a poll, whose errors are given by offset; not those that an earlier run has written.

        Raises:
            TooManyFailures: with these there are too many.
        """
        letters = DeadLetters()
        if not errors:
            self._limit.passed(len(poll.messages))
            return letters
        passed = 0
        for message in poll.messages:
            offset = message.offset() or 0
            error = errors.get(offset)
            if error is None:
                passed += 1
            elif offset >= poll.seen:
                self._limit.passed(passed)
                passed = 0
                letters.append(self._letter(f"{poll.topic}-{poll.partition}-{offset}", poll.topic, message, error))
        self._limit.passed(passed)
        return letters

    def _letter(self, place: str, topic: str, message: Message, error: Exception) -> DeadLetter:
        if not isinstance(error, DecodeError):
            self.unexpected.log(place, error)
        kind, reason = type(error).__name__, str(error)
        self._limit.failed_in(self._step, kind, f"{place}: {reason}")
        return of_message(topic, message, step=self._step, error=kind, reason=reason)


def _is_dead_letters(item: tuple[str, object]) -> bool:
    return isinstance(item[1], DeadLetters)
