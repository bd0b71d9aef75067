"""Text as DuckDB handles it: LIKE, and the mapping of letters, which is character by character."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

_Find = Callable[[str, int], tuple[int, int] | None]
"""Where a piece of a pattern is found from an index on: begin and end."""


class Like:
    """A pattern of LIKE, in which ``%`` stands for any text and ``_`` for any character.

    The pieces between the percent signs are looked for one after the other, each as early as it can be. So the time is
    at most the product of both lengths; that of a regular expression could be any power of them.
    """

    def __init__(self, pattern: str, escape: str | None = None) -> None:
        """Read a pattern.

        Raises:
            ValueError: it ends with the escape character.
        """
        self._pieces: list[list[str | None]] = [[]]  # None: any character
        characters = iter(pattern)
        for character in characters:
            if character == escape:
                literal = next(characters, None)
                if literal is None:
                    raise ValueError("the pattern ends with its escape character")
                self._pieces[-1].append(literal)
            elif character == "%":
                self._pieces.append([])
            else:
                self._pieces[-1].append(None if character == "_" else character)
        first, *others = self._pieces
        self._first, self._whole = _regex(first), not others
        self._last, self._last_length = _regex(others[-1]) if others else None, len(others[-1]) if others else 0
        self._between = [_finder(piece) for piece in others[:-1] if piece]

    @property
    def simple(self) -> tuple[bool, str, bool] | None:
        """The only text that is looked for, and whether any text may stand before and behind it; None: it is more."""
        if len(self._pieces) > 3 or any(None in piece for piece in self._pieces):
            return None
        texts = ["".join(filter(None, piece)) for piece in self._pieces]
        if sum(map(bool, texts)) > 1:
            return None
        at = next((index for index, text in enumerate(texts) if text), len(texts) - 1)
        return at > 0, texts[at], at < len(texts) - 1

    def __call__(self, text: str) -> bool:
        """Whether the whole text is as the pattern says."""
        if self._whole:
            return self._first.fullmatch(text) is not None
        begin = self._first.match(text)
        end = len(text) - self._last_length
        if begin is None or end < begin.end() or self._last is None or self._last.fullmatch(text, end) is None:
            return False
        at = begin.end()
        for find in self._between:
            place = find(text, at)
            if place is None or place[1] > end:
                return False
            at = place[1]
        return True


def _regex(piece: list[str | None]) -> re.Pattern[str]:
    return re.compile("".join("." if character is None else re.escape(character) for character in piece), re.DOTALL)


def _finder(piece: list[str | None]) -> _Find:
    if None in piece:
        search = _regex(piece).search

        def find_any(text: str, start: int) -> tuple[int, int] | None:
            found = search(text, start)
            return None if found is None else found.span()

        return find_any
    literal = "".join(filter(None, piece))

    def find(text: str, start: int) -> tuple[int, int] | None:
        at = text.find(literal, start)
        return None if at < 0 else (at, at + len(literal))

    return find


_pattern = lru_cache(maxsize=1024)(Like)


def like(text: str, pattern: str, escape: str | None = None) -> bool:
    """LIKE with a pattern that is not known before.

    Raises:
        ValueError: it is no pattern.
    """
    return _pattern(pattern, escape)(text)


def ilike(text: str, pattern: str, escape: str | None = None) -> bool:
    """ILIKE, likewise."""
    return _pattern(lower(pattern), escape)(lower(text))


def lower(text: str) -> str:
    """LOWER: each character becomes one character."""
    return text.lower() if text.isascii() else "".join(map(_lower, text))


def upper(text: str) -> str:
    """UPPER: each character becomes one character."""
    return text.upper() if text.isascii() else "".join(map(_upper, text))


def _lower(character: str) -> str:
    mapped = character.lower()
    return mapped if len(mapped) == 1 else "i"  # only of the I with a dot above Python makes two


def _upper(character: str) -> str:
    if character == "ß":
        return "ẞ"
    return next(_single(character.upper(), character.title()), character)


def _single(*mapped: str) -> Iterator[str]:
    return (one for one in mapped if len(one) == 1)


def trim(text: str) -> str:
    """TRIM: without the spaces of both ends, those of Unicode among them; tabs and line breaks stay."""
    stripped = text.strip(" ")
    return stripped if stripped.isascii() else stripped.strip(_SPACES)


_SPACES = "".join(character for character in map(chr, range(0x3001)) if unicodedata.category(character) == "Zs")
