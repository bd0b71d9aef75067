import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from messages.dead_letter import dead_letter
from tests.web.page.made import Clock, alert, rating
from web.page import charts, panels
from web.page.choice import EVERYTHING
from web.page.figures import Figures, figures
from web.page.markup import element, join, table
from web.page.model import Model

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[2J\u202e"
PANELS: list[Callable[[Figures, Model], str]] = [
    panels.tiles,
    lambda figures, _: panels.feed(figures),
    lambda figures, _: panels.unhappy(figures),
    lambda figures, _: panels.regions(figures),
    lambda figures, _: panels.raters(figures),
    lambda _, model: panels.letters(model),
    lambda figures, _: charts.channels_table(figures),
    lambda figures, _: charts.medians_table(figures),
]


class Reading(HTMLParser):
    """Collects the tags and the text of HTML, and whether each element ends in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def hostile() -> Model:
    """A model in which every text is hostile."""
    model = Model(60, Clock())
    texts: dict[str, Any] = dict.fromkeys(
        ("channel", "message", "full_name", "email", "club_status", "region"), HOSTILE
    )
    model.take_ratings([(rating(1, **texts), -1)])
    model.take_alert(alert(1, rule=HOSTILE))
    model.take_letter(
        dead_letter("ratings", 0, 1, -1, None, HOSTILE.encode(), step=HOSTILE, error=HOSTILE, message=HOSTILE)
    )
    return model


@pytest.mark.parametrize("panel", PANELS)
def test_everything_is_escaped(panel: Callable[[Figures, Model], str], hostile: Model) -> None:
    read = Reading(panel(figures(hostile, EVERYTHING), hostile))
    assert not {"script", "img"} & set(read.tags)
    assert not re.search("[\x00-\x1f\u202a-\u202e]", read.text)


@pytest.mark.parametrize("panel", PANELS)
def test_an_empty_page_says_so(panel: Callable[[Figures, Model], str]) -> None:
    model = Model(60, Clock())
    assert Reading(panel(figures(model, EVERYTHING), model)).text


@pytest.mark.parametrize(
    ("count", "label"),
    [(1, 'aria-label="1 of 5 stars"'), (5, 'aria-label="5 of 5 stars"'), (None, "no stars"), (-3, "-3 stars")],
)
def test_stars_in_words(count: int | None, label: str) -> None:
    assert label in panels.stars(count)


def test_charts_in_words_and_as_a_table() -> None:
    model = Model(60, Clock())
    model.take_ratings((rating(offset, stars, 60), -1) for offset, stars in enumerate((1, 2, 4)))
    found = figures(model, EVERYTHING)
    assert charts.channels_in_words(found) == "Ratings by channel: web 3"
    assert charts.medians_in_words(found) == "Latest median of stars by club status: gold 2"
    assert Reading(charts.medians_table(found)).text.endswith("UTCgold11:592")
    options = charts.medians(found)
    assert (options["yAxis"]["min"], options["yAxis"]["max"]) == (1, 5)
    assert options["series"][0]["data"][-3:] == [None, 2, None]


def test_markup() -> None:
    assert element("a", "<", element("b", 1), class_="c", aria_label='"', href=None) == (
        '<a class="c" aria-label="&quot;">&lt;<b>1</b></a>'
    )
    assert join(("a\nb\x07", None)) == "a b\N{REPLACEMENT CHARACTER}"
    assert Reading(table("t", ("a", "b"), [(1, 2)])).tags.count("td") == 2
