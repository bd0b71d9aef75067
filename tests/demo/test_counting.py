from demo.counting import Counting
from demo.outputs import Statistic


def test_the_last_statistic_of_each_window_counts() -> None:
    counting = Counting()
    for window, dimension, count, alerts in (
        (0, "all", 1, 0),
        (0, "channel", 7, 7),
        (0, "all", 3, 1),
        (60, "all", 2, 1),
    ):
        counting.statistic(Statistic(window, dimension, count, alerts))
    assert counting.totals() == {"counted": 5}
    assert counting.disagreements(5, 2) == []
    assert counting.disagreements(6, 2) == ["6 enriched ratings and 2 alerts came out, but the statistics have (5, 2)"]


def test_what_is_kept_is_bounded() -> None:
    counting = Counting()
    for window in range(10_000):
        counting.statistic(Statistic(window, "all", 2, 1))
    assert counting.disagreements(20_000, 10_000) == []
    assert max(len(value) for value in vars(counting).values()) == 60
