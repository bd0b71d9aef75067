"""The account of the statistics: what they sum up to, against the records that came out."""

from demo.outputs import Statistic

_KEPT_WINDOWS = 60


class Counting:
    """The ratings and alerts that are in the statistics, by the last statistic of all ratings of each window.

    Only the newest windows are kept; those before do not change any more.
    """

    def __init__(self) -> None:
        self._windows: dict[int, Statistic] = {}
        self._before = [0, 0]

    def statistic(self, statistic: Statistic) -> None:
        """Note a statistic that came out."""
        if statistic.dimension != "all":
            return
        self._windows[statistic.window_start] = statistic
        if len(self._windows) > _KEPT_WINDOWS:
            oldest = self._windows.pop(min(self._windows))
            self._before[0] += oldest.count
            self._before[1] += oldest.alerts

    def totals(self) -> dict[str, int]:
        """The number of ratings in the statistics, by name."""
        return {"counted": self._before[0] + sum(one.count for one in self._windows.values())}

    def disagreements(self, enriched: int, alerts: int) -> list[str]:
        """A line if the statistics do not hold just as many enriched ratings and alerts; else none."""
        counted = self.totals()["counted"], self._before[1] + sum(one.alerts for one in self._windows.values())
        if counted == (enriched, alerts):
            return []
        return [f"{enriched} enriched ratings and {alerts} alerts came out, but the statistics have {counted}"]
