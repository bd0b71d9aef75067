import doctest
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import TestingSink, TestingSource, run_main

import operators.each
from operators.batch import Batch
from operators.each import each, where


def test_examples() -> None:
    found = doctest.testmod(operators.each)
    assert (found.attempted > 10, found.failed) == (True, 0)


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
    flow = Dataflow("test")
    numbers = op.input("in", flow, TestingSource(items, batch_size))
    op.output("mapped", each("square", numbers, lambda number: number * number), TestingSink(mapped))
    op.output("kept", where("odd", numbers, lambda number: number % 2 == 1), TestingSink(kept))
    run_main(flow)
    assert (mapped, kept) == (squares, odd)
    # They travel between processes as they came.
    assert {type(records) for _, records in mapped + kept} <= {Batch}


def test_a_failure_stops_the_flow() -> None:
    flow = Dataflow("test")
    numbers = op.input("in", flow, TestingSource([("exk", Batch([1, 0]))]))
    op.output("out", each("divide", numbers, lambda number: 1 / number), TestingSink([]))
    with pytest.raises(BytewaxRuntimeError, match=r"test\.divide"):
        run_main(flow)
