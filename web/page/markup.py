"""HTML from text: everything is escaped that is not markup of our own."""

from collections.abc import Iterable
from html import escape


class Markup(str):
    """HTML that may be shown as it is."""

    __slots__ = ()


_VOID = {"input"}
"""Elements that have no end."""


def element(tag: str, /, *children: object, **attributes: object) -> Markup:
    """An element of HTML.

    Args:
        tag: the element's name.
        children: are escaped if they are not Markup.
        attributes: ``class_`` is ``class``, and ``aria_label`` is ``aria-label``; one that is None is left out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{shown}>" if tag in _VOID else f"<{tag}{shown}>{join(children)}</{tag}>")


def join(children: Iterable[object]) -> Markup:
    """Several children, one after the other; None is nothing."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(plain(str(child))) for child in children if child is not None
        )
    )


def plain(text: str) -> str:
    """The text with a mark in place of what cannot be seen, or turns the line around."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text.replace("\n", " ")
    )


def table(caption: str, columns: Iterable[str], rows: Iterable[Iterable[object]], **attributes: object) -> Markup:
    """A table. A cell is the content of its ``td``."""
    head = (element("th", column, scope="col") for column in columns)
    body = (element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
        **attributes,
    )
