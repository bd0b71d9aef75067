"""Customers with names as various as people's: what a customer weighs in memory depends on how many share theirs."""

from hashlib import blake2b
from typing import Any

from benchmarks.harness.data import Data

FIRST_NAMES, LAST_NAMES = 20_000, 200_000
"""How many there are to draw from. A million people have 120,000 different last names; more than half have one of the
thousand most frequent."""

_SYLLABLES = ("ba", "ri", "sen", "lo", "man", "ka", "ter", "vi", "do", "nel", "mo", "ha", "son", "ley", "ce", "ra")


class People(Data):
    """As ``Data``, with other names and e-mail addresses."""

    def customer(self, number: int) -> dict[str, Any]:
        """A row of the customers' table."""
        chance = blake2b(b"%d %d" % (self.seed, number), digest_size=8).digest()
        first, last = _name(chance[:4], FIRST_NAMES), _name(chance[4:], LAST_NAMES)
        email = f"{first.lower()}.{last.lower()}{number}@rambler.ru"
        return {**super().customer(number), "first_name": first, "last_name": last, "email": email}


def _name(chance: bytes, names: int) -> str:
    """One of so many names, the n-th an n-th as often as the first."""
    rank = int(names ** (int.from_bytes(chance, "big") / 2**32)) + len(_SYLLABLES) - 1
    name = ""
    while rank:
        rank, syllable = divmod(rank, len(_SYLLABLES))
        name += _SYLLABLES[syllable]
    return name.capitalize()
