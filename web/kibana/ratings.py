"""The dashboard of ratings: its data views and its six panels, over the columns of an enriched rating."""

from records.columns import COLUMNS
from records.index_names import IndexNames
from settings import Search
from web.kibana.objects import (
    Object,
    chart,
    count,
    dashboard,
    data_view,
    median,
    metric,
    over_time,
    search,
    top,
)

_BY_NAME = {column.name: column for column in COLUMNS}


def saved_objects(settings: Search) -> list[Object]:
    """The saved objects, each after those that it refers to."""
    descriptions = {column.name: column.doc for column in COLUMNS}
    ratings = data_view("ratings-enriched", "Ratings", _indices(settings, settings.index), descriptions)
    alerts = data_view("ratings-alerts", "Alerts", _indices(settings, settings.alerts_index), descriptions)
    unhappy = metric("ratings-unhappy", "Unhappy platinum customers", alerts["id"], {"count": count("Alerts")})
    latest = search(
        "ratings-unhappy-latest", "Unhappy platinum customers, the latest", alerts["id"],
        _shown("email", "message", "stars"),
    )  # fmt: skip
    by_channel = chart(
        "ratings-by-channel", "Ratings by channel", ratings["id"],
        {"time": over_time(), "channel": top("Channel", _field("channel"), "count"), "count": count("Ratings")},
        "bar_stacked",
    )  # fmt: skip
    medians = chart(
        "ratings-median", "Median rating by club status", ratings["id"],
        {
            "time": over_time(),
            "status": top("Club status", _field("club_status")),
            "median": median("Median of stars", _field("stars")),
        },
        "line", extent=(1, 5),
    )  # fmt: skip
    people = metric(
        "ratings-per-person", "Ratings per person", ratings["id"],
        {"name": top("Customer", _field("full_name"), "count"), "count": count("Ratings")}, by="name",
    )  # fmt: skip
    detail = search(
        "ratings-detail", "Ratings", ratings["id"],
        _shown("full_name", "email", "club_status", "stars", "message", "channel"),
    )  # fmt: skip
    panels = [
        (unhappy, (0, 0, 8, 12)),
        (latest, (8, 0, 40, 12)),
        (by_channel, (0, 12, 20, 14)),
        (medians, (20, 12, 20, 14)),
        (people, (40, 12, 8, 14)),
        (detail, (0, 26, 48, 16)),
    ]
    return [ratings, alerts, *(panel for panel, _ in panels), dashboard("ratings", "Ratings", panels)]


def _indices(settings: Search, index: str) -> str:
    """The indices with dates that a setting may name, or its one index, alias or data stream; titles a data view."""
    patterns = IndexNames(index).matching(data_stream=settings.target == "data-stream")
    return ",".join(pattern for pattern in patterns if "*" in pattern) if "%" in index else index


def _field(name: str) -> str:
    """The field of a column that Elasticsearch aggregates."""
    return f"{name}.keyword" if _BY_NAME[name].search == "text" else _BY_NAME[name].name


def _shown(*names: str) -> list[str]:
    return [_BY_NAME[name].name for name in names]
