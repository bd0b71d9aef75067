"""The table of the Kafka comparison."""

from collections.abc import Sequence
from statistics import median

from benchmarks.harness.measure import Run

HEADER = f"{'':16}{'ratings/s':>12}{'CPU us/rating':>16}{'peak RSS MiB':>15}{'s until first':>16}{'s in all':>11}"


def line(run: Run, name: str) -> str:
    """One row of the table."""
    return (
        f"{name:16}{run.ratings_per_s:12,.0f}{run.cpu_us_per_rating:16.2f}"
        f"{run.peak_rss_mib:15,.0f}{run.until_first_s:16.1f}{run.until_first_s + run.window_s:11.1f}"
    )


def ratios(runs: Sequence[Run], ours: str, rival: str) -> str:
    """The closing line: ours over the rival's of the same round, in the median of the rounds.

    The speed of a shared machine drifts by more than contestants differ. The two runs of a round are next to each
    other, so their ratio has less of the drift than that of the medians.
    """
    of = {name: [run for run in runs if run.contestant == name] for name in (ours, rival)}
    pairs = list(zip(of[ours], of[rival], strict=True))
    rate = median(one.ratings_per_s / other.ratings_per_s for one, other in pairs)
    cpu = median(one.cpu_us_per_rating / other.cpu_us_per_rating for one, other in pairs)
    return f"ratio ratings/s {rate:.2f}, ratio CPU {cpu:.2f}"
