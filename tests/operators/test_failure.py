import logging

import pytest

from operators.failure import Unexpected


def test_an_unexpected_exception_is_logged_once_a_minute_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    unexpected = Unexpected("a_step", lambda: now)
    for seconds, error in [
        (0, TypeError("one")),
        (1, TypeError("two")),
        (1, ValueError("another kind")),
        (59.9, TypeError("three")),
        (60, TypeError("four")),
        (61, TypeError("five")),
        (500, TypeError("six")),
        (600, TypeError("seven")),
    ]:
        now = 1000 + seconds
        unexpected.log(f"at {seconds}", error)
    assert caplog.messages == [
        "a_step: at 0",
        "a_step: at 1",
        "a_step: at 60 (and 2 more TypeError since the last such line)",
        "a_step: at 500 (and 1 more TypeError since the last such line)",
        "a_step: at 600",
    ]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "one",
        "another kind",
        "four",
        "six",
        "seven",
    ]
