"""The gate: how many posts go at once, and what a pause does."""

from math import inf

from sinks.notices.gate import Gate


def entered(gate: Gate, now: float) -> int:
    """How many posts may begin now."""
    return next(number for number in range(100) if gate.enter(now))


def leave(gate: Gate, count: int) -> None:
    for _ in range(count):
        gate.leave()


def test_a_bound_on_posts_at_once() -> None:
    gate = Gate(3)
    assert entered(gate, 0.0) == 3
    assert gate.enter(0.0) == inf
    gate.leave()
    assert entered(gate, 0.0) == 1


def test_after_a_pause_one_goes_first_and_each_that_is_accepted_lets_one_more_go() -> None:
    gate = Gate(3)
    entered(gate, 0.0)
    gate.pause(0.0, 7.0)
    gate.pause(0.0, 2.0)  # the longest holds
    leave(gate, 3)
    assert gate.enter(3.0) == 4.0
    widths = []
    for _ in range(4):
        widths.append(entered(gate, 7.0))
        leave(gate, widths[-1])
        gate.accept()
    assert widths == [1, 2, 3, 3]


def test_denials_of_posts_under_way_count_as_one_and_each_try_waits_longer() -> None:
    gate, now, pauses = Gate(3), 0.0, []
    entered(gate, now)
    assert [gate.deny(now) for _ in range(3)] == [30.0, 30.0, 30.0]
    leave(gate, 3)
    now = 30.0
    for _ in range(6):
        assert entered(gate, now) == 1
        pauses.append(gate.deny(now))
        gate.leave()
        now += pauses[-1]
    assert pauses == [60.0, 120.0, 240.0, 300.0, 300.0, 300.0]
    entered(gate, now)
    gate.leave()
    gate.accept()
    assert gate.deny(now) == 30.0


def test_a_denial_in_a_pause_of_another_kind_is_the_first() -> None:
    gate = Gate(2)
    entered(gate, 0.0)
    gate.pause(0.0, 1.0)
    assert gate.deny(0.5) == 30.0
    assert gate.enter(1.5) == 29.0
