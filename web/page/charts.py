"""The charts: options of ECharts, and the same in words and as a table. Colors are variables of style.css."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from web.page.figures import Figures
from web.page.markup import Markup, table

_COLORS = 8
_FEWEST_SLOTS = 20
"""Slots that are drawn before there are ratings in them."""
_SYMBOLS = ("circle", "triangle", "rect", "diamond", "pin", "arrow")
_TEXT = {"color": "var(--muted)", "fontFamily": "system-ui, Roboto, sans-serif"}


def clock(milliseconds: int, form: str = "%H:%M") -> str:
    """A time of day in UTC; nothing if it is no date."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime(form)
    except (OverflowError, ValueError, OSError):
        return ""


def channels(figures: Figures) -> dict[str, Any]:
    """Ratings by channel over time: stacked bars."""
    series = [
        {**_series("bar", index, name, counts), "stack": "ratings", "barCategoryGap": "20%"}
        for index, (name, counts) in enumerate(figures.by_channel.items())
    ]
    return _chart(figures, series, {"minInterval": 1})


def medians(figures: Figures) -> dict[str, Any]:
    """The median of stars by club status over time: lines."""
    series = [
        {
            **_series("line", index, name, values),
            "symbol": _SYMBOLS[index % len(_SYMBOLS)],
            "symbolSize": 7,
            "showAllSymbol": True,
            "connectNulls": True,
        }
        for index, (name, values) in enumerate(figures.medians.items())
    ]
    return _chart(figures, series, {"min": 1, "max": 5, "interval": 1})


def channels_in_words(figures: Figures) -> str:
    """What the chart of channels shows, in a sentence."""
    totals = [f"{name} {sum(counts):,}" for name, counts in figures.by_channel.items()]
    return f"Ratings by channel: {', '.join(totals) or 'none yet'}"


def medians_in_words(figures: Figures) -> str:
    """What the chart of medians shows, in a sentence."""
    last = {
        name: next((value for value in reversed(values) if value is not None), None)
        for name, values in figures.medians.items()
    }
    told = [f"{name} {value:g}" for name, value in last.items() if value is not None]
    return f"Latest median of stars by club status: {', '.join(told) or 'none yet'}"


def channels_table(figures: Figures) -> Markup:
    """The chart of channels as a table."""
    return _table("Ratings by channel over time", figures.slots, figures.by_channel)


def medians_table(figures: Figures) -> Markup:
    """The chart of medians as a table."""
    return _table("Median of stars by club status over time", figures.slots, figures.medians)


def _table(caption: str, slots: Sequence[int], values: Mapping[str, Sequence[float | None]]) -> Markup:
    rows = [
        [time, *("" if (value := column[index]) is None else f"{value:g}" for column in values.values())]
        for index, time in enumerate(_times(slots))
        if any(column[index] for column in values.values())
    ]
    return table(caption, ["UTC", *values], reversed(rows), class_="figures")


def _times(slots: Sequence[int]) -> list[str]:
    form = "%H:%M" if slots[1] - slots[0] >= 60_000 else "%H:%M:%S"
    return [clock(slot, form) for slot in slots]


def _series(kind: str, index: int, name: str, values: Sequence[float | None]) -> dict[str, Any]:
    color = f"var(--series-{index % _COLORS + 1})"
    return {
        "type": kind,
        "name": name,
        "data": list(values),
        "itemStyle": {"color": color},
        "lineStyle": {"color": color, "width": 2},
        "emphasis": {"disabled": True},
    }


def _chart(figures: Figures, series: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    line = {"lineStyle": {"color": "var(--line)"}}
    begin = _begin(figures)
    return {
        "animation": False,
        "grid": {"left": 4, "right": 12, "top": 38, "bottom": 2, "containLabel": True},
        "legend": {
            "top": 0,
            "left": 0,
            "icon": "roundRect",
            "itemWidth": 12,
            "itemHeight": 12,
            "itemGap": 16,
            "textStyle": {**_TEXT, "fontSize": 13},
            "selectedMode": False,
        },
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            "backgroundColor": "var(--surface)",
            "borderColor": "var(--line)",
            "textStyle": {"color": "var(--text)"},
        },
        "xAxis": {
            "type": "category",
            "data": _times(figures.slots)[begin:],
            "axisLabel": {**_TEXT, "hideOverlap": True, "margin": 12},
            "axisLine": line,
            "axisTick": {"show": False},
        },
        "yAxis": {"type": "value", "axisLabel": _TEXT, "splitLine": line, **values},
        "series": [{**one, "data": one["data"][begin:]} for one in series],
    }


def _begin(figures: Figures) -> int:
    """The first slot that is drawn: what lies before the first ratings is left out."""
    last = len(figures.slots) - _FEWEST_SLOTS
    return next((at for at in range(last) if any(counts[at] for counts in figures.by_channel.values())), last)
