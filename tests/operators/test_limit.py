import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.limit import FailureLimit, TooManyFailures


def tell(limit: FailureLimit, story: str) -> int | None:
    """Tell a limit what became of records, `.` for one that passed; the place of the record at which it raises."""
    for at, what in enumerate(story):
        if what == ".":
            limit.passed(1)
            continue
        try:
            limit.failed([(what, f"the one at {at}")])
        except TooManyFailures:
            return at
    return None


@pytest.mark.parametrize(
    ("story", "max_share", "max_in_a_row", "stops"),
    [
        pytest.param("", 0.5, 3, None, id="nothing"),
        pytest.param("xxx", 1, 3, None, id="as many in a row as may"),
        pytest.param("xxxx", 1, 3, 3, id="one too many"),
        pytest.param("xxx.xxx.xxx", 1, 3, None, id="never so many in a row"),
        pytest.param("xyzx", 1, 3, 3, id="of any kind"),
        pytest.param("x" * 9, 0.5, 99, None, id="no share before the window is full"),
        pytest.param("x" * 10, 0.5, 99, 9, id="the window is full"),
        pytest.param("x." * 20, 0.5, 99, None, id="just the share"),
        pytest.param("....." + "x" * 9, 0.5, 99, 10, id="more than the share"),
        pytest.param("xxxxx....." * 3, 0.5, 99, None, id="the window slides"),
        pytest.param("xxxxx...." + "." * 40 + "xxxxx", 0.5, 99, None, id="what is long ago is forgotten"),
        pytest.param("." * 1000 + "xxxxxx", 0.5, 99, 1005, id="what passed long ago is, too"),
        pytest.param("x" * 99, 1, 99, None, id="off"),
    ],
)
def test_when_it_stops(story: str, max_share: float, max_in_a_row: int, stops: int | None) -> None:
    assert tell(FailureLimit(max_share, max_in_a_row, window=10), story) == stops


@given(st.text("..xy", max_size=60), st.sampled_from([0.2, 0.5, 0.9, 1]), st.integers(1, 8), st.data())
def test_it_is_the_same_told_at_once(story: str, max_share: float, max_in_a_row: int, data: st.DataObject) -> None:
    """A model that looks at the whole story for each record; and however the story is cut into calls."""

    def stops(at: int) -> bool:
        told = story[: at + 1]
        in_a_row = len(told) - len(told.rstrip("xy"))
        window = told[-10:]
        too_many = len(window) == 10 and sum(what != "." for what in window) > max_share * 10
        return told[-1] != "." and (in_a_row > max_in_a_row or too_many)

    expected = next((at for at in range(len(story)) if stops(at)), None)
    assert tell(FailureLimit(max_share, max_in_a_row, window=10), story) == expected
    limit, rest = FailureLimit(max_share, max_in_a_row, window=10), story
    try:
        while rest:
            run = len(rest) - len(rest.lstrip(".")) or len(rest) - len(rest.lstrip("xy"))
            part, rest = rest[:run], rest[run:]
            cut = data.draw(st.integers(0, run))
            for some in (part[:cut], part[cut:]):
                if part[0] == ".":
                    limit.passed(len(some))
                else:
                    limit.failed([(what, "") for what in some])
    except TooManyFailures:
        assert expected is not None
    else:
        assert expected is None


@pytest.mark.parametrize(
    ("passed", "failed", "stops"),
    [
        pytest.param(0, 3, False, id="as many in a row as may"),
        pytest.param(0, 4, True, id="one too many"),
        pytest.param(1, 4, False, id="not in a row"),
        pytest.param(4, 12, False, id="spread evenly"),
        pytest.param(3, 13, True, id="too many between two that passed"),
        pytest.param(1000, 3000, False, id="many"),
        pytest.param(5, 0, False, id="none"),
    ],
)
def test_what_failed_in_an_unknown_order(passed: int, failed: int, stops: bool) -> None:
    limit = FailureLimit(1, 3)
    try:
        limit.mixed(passed, [("NotJson", "why")] * failed)
    except TooManyFailures:
        assert stops
    else:
        assert not stops
        limit.passed(10_000)
        with pytest.raises(TooManyFailures):
            limit.mixed(0, [("NotJson", "why")] * 4)


@given(st.integers(0, 50), st.integers(0, 50))
def test_in_an_unknown_order_each_record_counts_once(passed: int, failed: int) -> None:
    limit = FailureLimit(0.5, 1000, window=passed + failed + 1)
    limit.mixed(passed, [("NotJson", "why")] * failed)
    window = passed + failed + 1
    if failed + 1 > 0.5 * window:
        with pytest.raises(TooManyFailures, match=f"{failed + 1} of {window} records"):
            limit.failed([("NotJson", "why")])
    else:
        limit.failed([("NotJson", "why")])


def test_the_message() -> None:
    limit = FailureLimit(0.5, 3, window=10)
    limit.passed(2)
    with pytest.raises(TooManyFailures) as raised:
        limit.failed(
            [
                ("NotJson", "ratings-0-1: not JSON"),
                ("TooLarge", "ratings-0-2: 2 MB"),
                ("NotJson", "ratings-0-3: the value is\nnot JSON " + "x" * 1000),
                ("EmptyValue", "ratings-0-4"),
            ]
        )
    message = str(raised.value)
    assert message.startswith(
        "4 records in a row became dead letters, more than DEAD_LETTERS_MAX_IN_A_ROW allows; "
        "the commonest error is NotJson (2), for example ratings-0-3: the value is not JSON xxx"
    )
    assert len(message) < 800
    assert "\n" not in message


def test_the_message_about_a_share() -> None:
    limit = FailureLimit(0.1, 1000)
    for number in range(1, 10_000):
        if number % 9:
            limit.passed(1)
        else:
            limit.failed([("NotJson", f"ratings-0-{number}: why")])
    with pytest.raises(TooManyFailures) as raised:
        limit.failed([("NotJson", "ratings-1-7: why")])
    assert str(raised.value) == (
        "1,112 of 10,000 records became dead letters, more than DEAD_LETTERS_MAX_SHARE allows; "
        "the commonest error is NotJson (1,112), for example ratings-1-7: why"
    )
