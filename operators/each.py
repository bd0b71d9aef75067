"""One function for the records of a stream of batches. A record that it raises for fails alone."""

from dataclasses import dataclass
from typing import Any, Callable, Generic, Iterable, Sequence, TypeVar  # noqa: UP035 - Bytewax takes collections.abc's for a class on Python 3.10

import bytewax.operators as op
from bytewax.dataflow import Stream, operator

from operators.batch import Batch
from operators.failure import Failing, Failures, is_failures
from operators.limit import FailureLimit

X = TypeVar("X")
Y = TypeVar("Y")

Batches = Stream[tuple[str, Batch[X]]]


@dataclass(frozen=True)
class EachOut(Generic[Y]):
    """Streams of a step."""

    oks: Stream[tuple[str, Batch[Y]]]
    errs: Stream[tuple[str, Failures]]
    """The records that the function raised for."""


class Oks:
    """Goes on with the good records of steps, and gathers the others: ``oks(each(...))`` is a stream of batches."""

    def __init__(self) -> None:
        self.errs: list[Stream[tuple[str, Failures]]] = []
        """The failures of all steps so far."""

    def __call__(self, out: EachOut[Y]) -> Batches[Y]:
        """The good records of a step."""
        self.errs.append(out.errs)
        return out.oks


@operator
def each(step_id: str, up: Batches[X], function: Callable[[X], Y], limit: FailureLimit) -> EachOut[Y]:
    """Replace each record by what ``function`` makes of it.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, halves, failed = Dataflow("doc"), [], []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 0, 4]))]))
    >>> out = each("divide", numbers, lambda number: 8 // number, FailureLimit(0.5, 1000))
    >>> op.output("oks", out.oks, TestingSink(halves))
    >>> op.output("errs", out.errs, TestingSink(failed))
    >>> run_main(flow)
    >>> halves
    [('exk', [8, 2])]
    >>> [(failure.record, failure.step, failure.error) for _, failures in failed for failure in failures]
    [(0, 'divide', 'ZeroDivisionError')]

    Args:
        step_id: Unique in the flow; failures and metrics name it.
        up: Batches of records.
        function: May be called again for a record that shares a batch with one that it raises for.
        limit: Stops the flow when ``function`` raises for too many records.
    """
    return _sifted(step_id, up, limit, lambda records: Batch(map(function, records)))


@operator
def together(
    step_id: str,
    up: Batches[X],
    function: Callable[[Sequence[X]], Iterable[Y]],
    limit: FailureLimit,
    *,
    drop_empty: bool = False,
) -> EachOut[Y]:
    """Replace the records of each batch by what ``function`` makes of all of them.

    Where it raises, it is tried on the halves of the batch. ``drop_empty``: a batch of which it makes
    nothing is not passed on.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3]))]))
    >>> op.output("out", together("reverse", numbers, reversed, FailureLimit(0.5, 1000)).oks, TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [3, 2, 1])]
    """
    return _sifted(step_id, up, limit, lambda records: Batch(function(records)), drop_empty=drop_empty)


@operator
def where(step_id: str, up: Batches[X], predicate: Callable[[X], bool], limit: FailureLimit) -> EachOut[X]:
    """Keep the records for which ``predicate`` holds.

    >>> from bytewax.dataflow import Dataflow
    >>> from bytewax.testing import TestingSink, TestingSource, run_main
    >>> flow, out = Dataflow("doc"), []
    >>> numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3]))]))
    >>> odd = where("odd", numbers, lambda number: number % 2 == 1, FailureLimit(0.5, 1000))
    >>> op.output("out", odd.oks, TestingSink(out))
    >>> run_main(flow)
    >>> out
    [('exk', [1, 3])]
    """
    return _sifted(step_id, up, limit, lambda records: Batch(filter(predicate, records)), drop_empty=True)


def _sifted(
    step_id: str,
    up: Batches[X],
    limit: FailureLimit,
    whole: Callable[[Sequence[X]], Batch[Y]],
    *,
    drop_empty: bool = False,
) -> EachOut[Y]:
    failing = Failing(step_id.rsplit(".", 1)[-1], limit)

    def step(items: list[tuple[str, Batch[X]]]) -> list[tuple[str, Batch[Any]]]:
        out: list[tuple[str, Batch[Any]]] | None
        try:
            out = [(key, whole(records)) for key, records in items]
        except Exception:  # one of the records is to blame
            out = None
        if out is None:
            out = [part for item in items for part in sift(*item)]
        else:
            failing.passed(sum(len(records) for _, records in items))
        return [item for item in out if item[1]] if drop_empty else out

    def sift(key: str, records: Batch[X]) -> list[tuple[str, Batch[Any]]]:
        failures = Failures()
        made = failing.sift(whole, records, failures)
        if not failures:
            return [(key, made)]
        return [(key, made), (key, failures)] if made else [(key, failures)]

    split = op.branch("failed", op.flat_map_batch("sift", up, step), is_failures)
    return EachOut(oks=split.falses, errs=split.trues)  # type: ignore[arg-type]
