"""The statistics branch of the main job: ratings counted in windows of time, by channel, club status and region."""

from collections.abc import Iterable
from functools import partial

import bytewax.operators as op

from operators.each import Batches
from operators.window_counts import Windows
from operators.windows import count_in_windows
from records import statistic
from records.enriched import Match
from records.statistic import EncodedStatistic
from settings import Statistics


def counted(
    settings: Statistics, matches: Batches[Match], alerted: Iterable[Batches[Match]]
) -> Batches[EncodedStatistic]:
    """The statistics of every window that changed.

    Args:
        settings: The branch's.
        matches: All ratings.
        alerted: Those of them that met a rule, by rule.
    """
    return count_in_windows("statistics_windows", matches, op.merge("alerted", *alerted), windows(settings))


def windows(settings: Statistics) -> Windows[Match, EncodedStatistic]:
    """How ratings are counted."""
    size = 1000 * settings.window
    return Windows(
        size=size,
        lateness=1000 * settings.lateness,
        keys=statistic.keys,
        times=statistic.times,
        origins=statistic.origins,
        tidy=statistic.tidy,
        other=statistic.other,
        describe=partial(statistic.statistics, size=size, dimensions=settings.dimensions),
    )
