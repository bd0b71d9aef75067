import doctest
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import TestingSink, TestingSource, run_main
from prometheus_client import REGISTRY

import operators.each
import operators.output
from operators.batch import Batch
from operators.each import EachOut, Oks, each, together, where
from operators.failure import Failures
from operators.limit import FailureLimit

NO_LIMIT = FailureLimit(1, 1_000_000)


@pytest.mark.parametrize("module", [operators.each, operators.output])
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.attempted > 5, found.failed) == (True, 0)


@pytest.mark.parametrize(
    ("items", "squares", "odd"),
    [
        ([], [], []),
        ([("exk", Batch[int]())], [("exk", [])], []),
        ([("exk", Batch([2]))], [("exk", [4])], []),
        (
            [("exk", Batch([1, 2, 3])), ("h7k0", Batch([2, 4])), ("exk", Batch([5]))],
            [("exk", [1, 4, 9]), ("h7k0", [4, 16]), ("exk", [25])],
            [("exk", [1, 3]), ("exk", [5])],
        ),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_each_and_where(items: list[Any], squares: list[Any], odd: list[Any], batch_size: int) -> None:
    mapped: list[Any] = []
    kept: list[Any] = []
    failed: list[Any] = []
    flow, oks = Dataflow("test"), Oks()
    numbers = op.input("in", flow, TestingSource(items, batch_size))
    op.output("mapped", oks(each("square", numbers, lambda number: number * number, NO_LIMIT)), TestingSink(mapped))
    op.output("kept", oks(where("odd", numbers, lambda number: number % 2 == 1, NO_LIMIT)), TestingSink(kept))
    op.output("failed", op.merge("errs", *oks.errs), TestingSink(failed))
    run_main(flow)
    assert (mapped, kept, failed) == (squares, odd, [])
    # They travel between processes as they came.
    assert {type(records) for _, records in mapped + kept} <= {Batch}


def bad_number(number: int) -> int:
    """What every step of the table below does: it raises for numbers of 100 and more."""
    if number >= 100:
        raise ValueError(f"{number} is too large")
    return number


def bad_numbers(numbers: Sequence[int]) -> list[int]:
    return [bad_number(number) for number in numbers]


def bad_iterator(numbers: Sequence[int]) -> Iterable[int]:
    return map(bad_number, numbers)


STEPS: dict[str, Callable[[Any, FailureLimit], EachOut[int]]] = {
    "each": lambda up, limit: each("each", up, bad_number, limit),
    "together": lambda up, limit: together("together", up, bad_numbers, limit),
    "an iterator": lambda up, limit: together("iterator", up, bad_iterator, limit),
    "where": lambda up, limit: where("where", up, lambda number: bad_number(number) >= 0, limit),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("items", "good", "bad"),
    [
        pytest.param([[1, 100, 3]], [[1, 3]], [[100]], id="in the middle"),
        pytest.param([[100, 1], [2, 101]], [[1], [2]], [[100], [101]], id="at the ends, in two batches"),
        pytest.param([[100]], [], [[100]], id="alone"),
        pytest.param([[100, 101, 102]], [], [[100, 101, 102]], id="all"),
        pytest.param([[1, 2], [100], [3]], [[1, 2], [3]], [[100]], id="beside good batches"),
        pytest.param(
            [[*range(50), 100, *range(50, 60), 101, 102]], [[*range(60)]], [[100, 101, 102]], id="several of many"
        ),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_record_that_a_step_raises_for_fails_alone(
    step: str, items: list[list[int]], good: list[list[int]], bad: list[list[int]], batch_size: int
) -> None:
    oks: list[Any] = []
    errs: list[Any] = []
    flow = Dataflow("test")
    up = op.input("in", flow, TestingSource([("exk", Batch(numbers)) for numbers in items], batch_size))
    out = STEPS[step](up, NO_LIMIT)
    op.output("oks", out.oks, TestingSink(oks))
    op.output("errs", out.errs, TestingSink(errs))
    run_main(flow)
    assert oks == [("exk", numbers) for numbers in good]
    assert [(key, [one.record for one in failures]) for key, failures in errs] == [("exk", numbers) for numbers in bad]
    assert {type(failures) for _, failures in errs} == {Failures}
    assert {(one.step, one.error, one.reason) for _, failures in errs for one in failures} == {
        (step.removeprefix("an "), "ValueError", f"{number} is too large") for numbers in bad for number in numbers
    }


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("items", "stops"),
    [
        pytest.param([[100, 101, 1]], None, id="as many in a row as may"),
        pytest.param([[100, 101, 102, 1]], 102, id="one too many"),
        pytest.param([[1, 100, 101], [102]], 102, id="in two batches"),
        pytest.param([[100, 101, 1, 102], [103, 1, 104, 105]], None, id="others pass in between"),
        pytest.param([[100, 101], [1, 2], [102, 103]], None, id="another batch passes in between"),
        pytest.param([[100, 101], [], [102]], 102, id="a batch of nothing does not"),
    ],
)
def test_too_many_failures_stop_the_flow_with_a_line(
    step: str, items: list[list[int]], stops: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    flow = Dataflow("test")
    up = op.input("in", flow, TestingSource([("exk", Batch(numbers)) for numbers in items]))
    op.output("oks", STEPS[step](up, FailureLimit(1, 2)).oks, TestingSink([]))
    if stops is None:
        run_main(flow)
        return
    with pytest.raises(BytewaxRuntimeError):
        run_main(flow)
    assert caplog.messages[-1] == (
        f"{step.removeprefix('an ')}: 3 records in a row became dead letters, more than DEAD_LETTERS_MAX_IN_A_ROW "
        f"allows; the commonest error is ValueError (3), for example {stops} is too large"
    )
    assert sum("became dead letters" in line for line in caplog.messages) == 1


def test_failures_are_counted() -> None:
    flow = Dataflow("test")
    numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 100, 101, 3]))]))
    op.output("out", each("counted", numbers, bad_number, NO_LIMIT).oks, TestingSink([]))
    run_main(flow)
    assert REGISTRY.get_sample_value("step_failures_total", {"step": "counted"}) == 2


def test_a_function_that_fails_only_for_all_of_them_is_asked_for_fewer() -> None:
    def at_most_two(numbers: Sequence[int]) -> Sequence[int]:
        if len(numbers) > 2:
            raise ValueError("too many")
        return numbers

    out: list[Any] = []
    flow = Dataflow("test")
    numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 2, 3, 4, 5]))]))
    op.output("out", together("few", numbers, at_most_two, NO_LIMIT).oks, TestingSink(out))
    run_main(flow)
    assert out == [("exk", [1, 2, 3, 4, 5])]


@pytest.mark.parametrize(
    ("records", "error"),
    [
        pytest.param([1], SystemExit("enough"), id="an exception that is no Exception"),
        pytest.param([], ValueError("not even nothing"), id="no record to blame"),
    ],
)
def test_what_is_no_records_fault_stops_the_flow(records: list[int], error: BaseException) -> None:
    def refuse(_: Sequence[int]) -> list[int]:
        raise error

    flow = Dataflow("test")
    numbers = op.input("in", flow, TestingSource([("exk", Batch(records))]))
    op.output("out", together("refuse", numbers, refuse, NO_LIMIT).oks, TestingSink([]))
    with pytest.raises((BytewaxRuntimeError, SystemExit)):
        run_main(flow)
