"""Parts of the page that are made of several elements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from web.page.markup import Markup, element, join

_EMIT_VALUE = "(event) => emit(event.target.value)"
_EMIT_OPEN = "(event) => emit(event.target.open)"
_EMIT_FIELDS = "(event) => { event.preventDefault(); emit(Object.fromEntries(new FormData(event.target))) }"


def text(tag: str, content: str, classes: str = "") -> ui.html:
    """Text in an element of HTML."""
    return ui.html(escape(content), tag=tag).classes(classes)


def show(target: ui.html, content: str) -> None:
    """Send HTML to the browser, if it is new."""
    if target.content != content:
        target.content = content


@contextmanager
def panel(title: str, classes: str = "") -> Iterator[ui.element]:
    """A panel with a heading; gives the place of the heading."""
    with ui.element("section").classes(f"panel {classes}") as section:
        with ui.element("div").classes("head") as head:
            heading = text("h2", title)
        section.props["aria-labelledby"] = heading.html_id
        yield head


def scrolled(title: str, classes: str = "") -> ui.html:
    """A place that scrolls; the keyboard reaches it."""
    place = ui.html().classes(f"scroll {classes}")
    place.props.update({"tabindex": 0, "role": "region", "aria-label": f"{title}, scrolls"})
    return place


def button(label: str, on_click: Callable[[], None]) -> tuple[ui.element, ui.html]:
    """A button, and the place of its label."""
    with ui.element("button").props("type=button").on("click", on_click, args=[]) as made:
        return made, text("span", label)


class Select:
    """A list to choose one value of, or all."""

    def __init__(self, name: str, label: str, chosen: str | None, on_change: Callable[[str | None], None]) -> None:
        def changed(event: GenericEventArguments) -> None:
            self._chosen = str(event.args) or None
            on_change(self._chosen)

        self._chosen = chosen
        with ui.element("div").classes("pick"):
            shown = text("label", label)
            self._select = ui.html(tag="select").on("change", changed, js_handler=_EMIT_VALUE)
        shown.props["for"] = self._select.html_id
        self._select.props["name"] = name

    def offer(self, values: list[str]) -> None:
        """Offer these values, and the chosen one."""
        offered = sorted({*values, self._chosen} - {None}, key=str)
        every = element("option", "All", value="")
        show(
            self._select,
            join(
                (every, *(element("option", value, value=value, selected=self._is_chosen(value)) for value in offered))
            ),
        )

    def _is_chosen(self, value: object) -> str | None:
        return "selected" if value == self._chosen else None


def form(fields: Markup, label: str, on_submit: Callable[[dict[str, Any]], Any]) -> None:
    """A form of HTML.

    Args:
        fields: of the form.
        label: of its button.
        on_submit: is called, or awaited, with the values by the names of the fields.
    """

    def submitted(event: GenericEventArguments) -> Any:
        return on_submit(event.args if isinstance(event.args, dict) else {})

    with ui.element("form").classes("submit").on("submit", submitted, js_handler=_EMIT_FIELDS):
        ui.html(fields, sanitize=False).classes("submit")
        with ui.element("button").classes("main").props("type=submit"):
            text("span", label)


class Chart:
    """A chart, in words for who cannot see it, and as a table that can be opened."""

    def __init__(self) -> None:
        self._open = False
        with ui.element("figure").classes("chart") as self._figure:
            self._chart = ui.echart({}, renderer="svg").classes("chart")
        self._figure.props["role"] = "img"
        with ui.element("details").on("toggle", self._toggled, js_handler=_EMIT_OPEN):
            text("summary", "As a table")
            self._table = ui.html().classes("scroll")
            self._table.props.update({"tabindex": 0, "role": "region", "aria-label": "Figures of the chart, scrolls"})
        self._rows: Callable[[], Markup] = Markup

    def draw(self, options: dict[str, Any], words: str, rows: Callable[[], Markup]) -> None:
        """Draw it, if it is new.

        Args:
            options: of ECharts.
            words: what the chart shows.
            rows: makes the table, which is sent while it is open.
        """
        self._rows = rows
        if self._chart.props["options"] != options:
            self._chart.props["options"] = options
            self._figure.props["aria-label"] = words
        if self._open:
            show(self._table, rows())

    def _toggled(self, event: GenericEventArguments) -> None:
        self._open = bool(event.args)
        if self._open:
            show(self._table, self._rows())
