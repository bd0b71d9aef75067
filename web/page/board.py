"""The page of one browser: its panels, filters, pause and form, and what is sent to it."""

from collections.abc import Mapping
from html import escape
from typing import Any, Literal
from urllib.parse import urlencode

from nicegui import ui

from web.intake.answers import Refusal
from web.page import charts, flows, panels
from web.page.choice import DIMENSIONS, Group
from web.page.form import FIELDS, Form, Submitted
from web.page.markup import element
from web.page.parts import Chart, Select, button, form, panel, scrolled, show, text
from web.page.sight import Sight

_EVERY_SECONDS = 1.0
_SOON_SECONDS = 0.1
"""From one look for a submitted rating to the next."""

Theme = Literal["auto", "light", "dark"]
_THEMES: dict[Theme, bool | None] = {"auto": None, "light": False, "dark": True}
_LABELS = {"club_status": "Club status", "channel": "Channel", "region": "Region"}


class Board:
    """Builds the page in the present client, and sends what is new once a second.

    Args:
        sight: what all pages share.
        submissions: takes submitted ratings.
        query: of the page's address: the filters and the theme, so that a reload shows the same.
    """

    def __init__(self, sight: Sight, submissions: Form, query: Mapping[str, str]) -> None:
        self._sight, self._submissions = sight, submissions
        self._choice = Group(**{dimension: query.get(dimension) or None for dimension in DIMENSIONS})
        self._theme: Theme = next((theme for theme in _THEMES if theme == query.get("theme")), "auto")
        self._paused = False
        self._submitted: Submitted | None = None
        self._dark = ui.dark_mode(_THEMES[self._theme])
        with ui.element("div").classes("page"):
            self._build_top()
            self._troubles = ui.html(tag="p").classes("trouble").props("role=status")
            with ui.element("section").classes("tiles").props('aria-label="Key figures"'):
                self._tiles = ui.html(tag="dl")
            with ui.element("div").classes("grid"):
                self._build_panels()
        self._soon = ui.timer(_SOON_SECONDS, self._look_for_rating, active=False)
        self._draw()
        ui.timer(_EVERY_SECONDS, self._draw_unless_paused, immediate=False)

    def _build_top(self) -> None:
        with ui.element("div").classes("bar-top"):
            with ui.element("div").classes("title"):
                text("h1", "Flight ratings, live")
                text("p", "Ratings with their customers, as they leave the flow. Times are in UTC.", "quiet")
            with ui.element("div").classes("picks").props('role=group aria-label="Filters and display"'):
                self._selects = {dimension: self._select(dimension) for dimension in DIMENSIONS}
                self._pause, _ = button("Pause", self._on_pause)
                self._pause.props["aria-pressed"] = "false"
                _, self._theme_label = button(f"Theme: {self._theme}", self._on_theme)

    def _select(self, dimension: str) -> Select:
        def chosen(value: str | None) -> None:
            self._choice = self._choice._replace(**{dimension: value})
            self._remember()
            self._draw()

        return Select(dimension, _LABELS[dimension], getattr(self._choice, dimension), chosen)

    def _build_panels(self) -> None:
        with panel("Ratings by channel", "wide"):
            self._channels = Chart()
        with panel("Unhappy customers", "narrow") as head:
            with head:
                self._unhappy_count = text("span", "", "quiet")
            self._unhappy = scrolled("Unhappy customers")
        with panel("Median stars by club status", "wide"):
            self._medians = Chart()
        with panel("Poor ratings by region", "narrow"):
            self._regions = ui.html()
        with panel("Live feed", "wider"):
            self._feed = scrolled("Live feed", "tall")
        with ui.element("div").classes("narrower column"):
            with panel("Submit a rating"):
                form(FIELDS, "Submit", self._on_submit)
                self._result = ui.html().classes("result").props("role=status")
            with panel("Most frequent raters"):
                self._raters = ui.html()
        with panel("Health of the flows", "wide"):
            self._health = scrolled("Health of the flows", "tall")
        with panel("Dead letters", "narrow"):
            self._letters = scrolled("Dead letters", "tall")

    def _draw_unless_paused(self) -> None:
        if not self._paused:
            self._draw()

    def _draw(self) -> None:
        model, figures = self._sight.model, self._sight.figures(self._choice)
        for dimension, select in self._selects.items():
            select.offer(model.values.of(dimension))
        show(self._troubles, escape(self._sight.reader.trouble or ""))
        show(self._tiles, panels.tiles(figures, model))
        show(self._unhappy, panels.unhappy(figures))
        show(self._unhappy_count, panels.unhappy_count(figures))
        show(self._regions, panels.regions(figures))
        show(self._feed, panels.feed(figures))
        show(self._raters, panels.raters(figures))
        show(self._letters, panels.letters(model))
        show(self._health, flows.health(self._sight.health.overview))
        self._channels.draw(
            charts.channels(figures), charts.channels_in_words(figures), lambda: charts.channels_table(figures)
        )
        self._medians.draw(
            charts.medians(figures), charts.medians_in_words(figures), lambda: charts.medians_table(figures)
        )

    def _on_pause(self) -> None:
        self._paused = not self._paused
        self._pause.props["aria-pressed"] = str(self._paused).lower()
        self._draw_unless_paused()

    def _on_theme(self) -> None:
        themes = list(_THEMES)
        self._theme = themes[(themes.index(self._theme) + 1) % len(themes)]
        self._dark.value = _THEMES[self._theme]
        show(self._theme_label, f"Theme: {self._theme}")
        self._remember()

    def _remember(self) -> None:
        """Put what was chosen into the address."""
        chosen = {name: value for name, value in self._choice._asdict().items() if value}
        if self._theme != "auto":
            chosen["theme"] = self._theme
        ui.navigate.history.replace(f"?{urlencode(chosen)}" if chosen else "/")

    async def _on_submit(self, fields: dict[str, Any]) -> None:
        show(self._result, element("p", "On its way to Kafka …"))
        try:
            self._submitted = await self._submissions.submit(fields)
        except Refusal as refusal:
            show(self._result, element("p", f"Refused: {refusal.refused.reason}"))
            return
        show(self._result, element("p", "On Kafka. Waiting for it to come back …"))
        self._soon.activate()

    def _look_for_rating(self) -> None:
        submitted = self._submitted
        if submitted is None:
            return
        submitted.look(self._sight.model)
        show(self._result, panels.submission(submitted))
        if submitted.is_over:
            self._submitted = None
            self._soon.deactivate()
