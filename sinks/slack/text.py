"""Text that others wrote, made safe for Slack: it is shown, and does nothing. Pure."""

import re
import unicodedata

SECTION = 3000
"""The most characters of a section's text; a field has 2000, a header 150."""
FIELD = 2000
HEADER = 150
TEXT = 4000
"""The most of a message's ``text`` that Slack advises; it cuts at 40,000."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINES = re.compile(r"\r\n?|[\n\x0b\x0c\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_MORE = "…"

_JOINERS = frozenset("\u200c\u200d")
_MOST_MARKS = 4


def clean(text: str) -> str:
    """The text without what is not seen: control characters, marks of direction, half characters, heaps of accents.

    Line breaks stay, of blank lines one. Joiners stay: emoji and Persian words are made with them.
    """
    if text.isascii() and text.isprintable():
        return text.strip()  # as most are: spares looking at each character
    text = _BLANK_LINES.sub("\n\n", _LINES.sub("\n", text)).strip()
    shown, marks = [], 0
    for character in text:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if character == "\n":
            shown.append(character)
        elif character == "\t" or kind in {"Zs", "Zl", "Zp"}:
            shown.append(" ")
        elif kind == "Cs":
            shown.append("\ufffd")
        elif marks <= _MOST_MARKS and (kind not in {"Cc", "Cf", "Co"} or character in _JOINERS):
            shown.append(character)
    return "".join(shown).strip()


def escape(text: str, most: int = SECTION) -> str:
    """The text for any of Slack's texts: ``<!channel>`` and its like are no longer read as such.

    It has ``most`` characters at most, none of which is half an escape.
    """
    if len(text) <= most and _ESCAPES.keys().isdisjoint(text):
        return text
    shown, size = list[str](), 0
    for character in text:
        part = _ESCAPES.get(character, character)
        if size + len(part) > most:
            while size + len(_MORE) > most:
                size -= len(shown.pop())
            return "".join(shown).rstrip() + _MORE
        shown.append(part)
        size += len(part)
    return "".join(shown)


def safe(text: str, most: int = SECTION) -> str:
    """``clean`` and ``escape``. A very long text is cut first."""
    return escape(clean(text[: 4 * most]), most)


def in_a_line(text: str, most: int) -> str:
    """As ``safe``, without line breaks."""
    return escape(" ".join(clean(text[: 4 * most]).split()), most)


def unformatted(text: str) -> str:
    """The text without the signs of Slack's formatting, for places where Slack may read them: a notification."""
    return text.translate(_SIGNS)


_SIGNS = str.maketrans({"`": "'", "*": "\u2217", "_": "\uff3f", "~": "\u223c"})


def plain(text: str) -> dict[str, object]:
    """A text object in which Slack reads no formatting, no mentions, no links and no emoji."""
    return {"type": "plain_text", "text": text or " ", "emoji": False}


def mrkdwn(text: str) -> dict[str, object]:
    """A text object of our own words and links; names and addresses in it are not made links."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def link(url: str, label: str) -> str:
    """A link in ``mrkdwn``. The URL must have no spaces; what else would end it is encoded."""
    encoded = "".join(f"%{ord(one):02X}" if one in "<>|" else one for one in url).replace("&", "&amp;")
    return f"<{encoded}|{label}>"
