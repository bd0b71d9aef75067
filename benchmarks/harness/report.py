"""The table of the Kafka comparison."""

from benchmarks.harness.measure import Run

HEADER = f"{'':16}{'ratings/s':>12}{'CPU us/rating':>16}{'peak RSS MiB':>15}{'s until first':>16}{'s in all':>11}"


def line(run: Run, name: str) -> str:
    """One row of the table."""
    return (
        f"{name:16}{run.ratings_per_s:12,.0f}{run.cpu_us_per_rating:16.2f}"
        f"{run.peak_rss_mib:15,.0f}{run.until_first_s:16.1f}{run.until_first_s + run.window_s:11.1f}"
    )


def ratios(ours: Run, rival: Run) -> str:
    """The closing line: ours over the rival's."""
    rate = ours.ratings_per_s / rival.ratings_per_s
    cpu = ours.cpu_us_per_rating / rival.cpu_us_per_rating
    return f"ratio ratings/s {rate:.2f}, ratio CPU {cpu:.2f}"
