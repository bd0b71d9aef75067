"""What a source raises is in the log, in a line."""

import pytest

from sources.failures import log_failures
from sources.tick import TickSource


class Source:
    name = "a-topic-7"

    @log_failures
    def next_batch(self, error: Exception | None) -> list[int]:
        if error is not None:
            raise error
        return [1]


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        pytest.param(None, [], id="nothing"),
        pytest.param(StopIteration(), [], id="the end is no failure"),
        pytest.param(ValueError("one\n  two"), ["a-topic-7: ValueError: one two"], id="an error of two lines"),
        pytest.param(KeyError("x"), ["a-topic-7: KeyError: 'x'"], id="an error whose text says little"),
    ],
)
def test_a_failure_is_logged_and_raised(
    caplog: pytest.LogCaptureFixture, error: Exception | None, lines: list[str]
) -> None:
    if error is None:
        assert Source().next_batch(error) == [1]
    else:
        with pytest.raises(type(error)) as raised:
            Source().next_batch(error)
        assert raised.value is error
    assert [record.getMessage() for record in caplog.records] == lines


def test_a_partition_that_cannot_be_read_says_why(caplog: pytest.LogCaptureFixture) -> None:
    def stopping() -> bool:
        raise RuntimeError("why")

    partition = TickSource((1,), stopping=stopping).build_part("in", "0000", None)
    with pytest.raises(RuntimeError):
        partition.next_batch()
    assert "ticks: RuntimeError: why" in caplog.text
