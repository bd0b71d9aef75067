"""Generated data in the shapes and ranges of the article's demo: ratings, and a customer table that changes.

Both generators give the same records for the same seed and clock, and never end.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import count
from random import Random
from typing import NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from embedded.seed import SEED_CUSTOMERS, Customer

Clock = Callable[[], float]
"""Gives the time, in seconds since the epoch."""

MALFORMED_EVERY = 333
"""One in so many ratings is malformed: 3 in 1000."""
MAX_CUSTOMERS = 40
"""The table grows to so many customers at most, in a run of days too."""

CHANNELS = ("web", "iOS", "ios", "iOS-test", "android")
MESSAGES = (
    "worst. flight. ever. #neveragain",
    "Surprisingly good, maybe you are getting your mojo back at long last!",
    "Exceeded all my expectations. Thank you !",
    "meh",
    "(expletive deleted)",
    "is this as good as it gets? really ?",
    "airport refurb looks great, will fly outta here more!",
    "why is it so difficult to keep the bathrooms clean ?",
    "thank you for the most friendly, helpful experience today at your new lounge",
    "more peanuts please",
    "your team here rocks!",
)
CLUB_STATUSES = ("bronze", "silver", "gold", "platinum")
REGIONS = ("EMEA", "AMER", "APAC", None)


class GeneratedRating(NamedTuple):
    """A message for the topic of ratings."""

    rating_id: int
    """From 1, without gaps; malformed records have one too, at least in their key."""
    value: bytes
    """JSON of rating_id, user_id, stars, route_id, rating_time (epoch ms), channel and message; or malformed."""
    well_formed: bool

    @property
    def key(self) -> bytes:
        """The rating's id as text."""
        return b"%d" % self.rating_id


class Ratings(Iterator[GeneratedRating]):
    """Ratings by customers -1 to 19 (-1 and 0 never exist), now and then a malformed one, each kind in its turn."""

    def __init__(self, seed: int = 0, clock: Clock = time.time) -> None:
        self._random = Random(seed)
        self._clock = clock
        self._ids = count(1)

    def __next__(self) -> GeneratedRating:
        rating_id = next(self._ids)
        rating = {
            "rating_id": rating_id,
            "user_id": self._random.randint(-1, 19),
            "stars": self._random.randint(1, 4),
            "route_id": self._random.randint(1, 9998),
            "rating_time": int(self._clock() * 1000),
            "channel": self._random.choice(CHANNELS),
            "message": self._random.choice(MESSAGES),
        }
        turn, rest = divmod(rating_id, MALFORMED_EVERY)
        if rest:
            return GeneratedRating(rating_id, orjson.dumps(rating), well_formed=True)
        spoil = _SPOILERS[turn % len(_SPOILERS)]
        return GeneratedRating(rating_id, spoil(rating), well_formed=False)


def _truncate(rating: dict[str, object]) -> bytes:
    whole = orjson.dumps(rating)
    return whole[: len(whole) // 2]


def _not_json(rating: dict[str, object]) -> bytes:
    return f"rating {rating['rating_id']}: {rating['stars']} stars".encode()


def _without_user(rating: dict[str, object]) -> bytes:
    return orjson.dumps({name: field for name, field in rating.items() if name != "user_id"})


def _wrong_type(rating: dict[str, object]) -> bytes:
    return orjson.dumps(rating | {"stars": "plenty"})


def _empty(_rating: dict[str, object]) -> bytes:
    return b""


_SPOILERS = (_truncate, _not_json, _without_user, _wrong_type, _empty)


class CustomerChange(NamedTuple):
    """A message for the topic of customer changes, as Debezium's flattening writes it."""

    key: bytes
    """JSON: ``{"id":1}``."""
    value: bytes | None
    """JSON of the row as it is now; None (a tombstone) where it was deleted."""


class CustomerChanges(Iterator[CustomerChange]):
    """A customer table and its changes: first ``snapshot``, then iterate for inserts, updates and deletes."""

    def __init__(self, seed: int = 0, clock: Clock = time.time) -> None:
        self._random = Random(seed)
        self._clock = clock
        now = self._now()
        self._table = {customer.id: replace(customer, create_ts=now, update_ts=now) for customer in SEED_CUSTOMERS}
        self._next_id = len(self._table) + 1
        self._away: deque[Customer] = deque()  # seed customers who were deleted

    def snapshot(self) -> list[CustomerChange]:
        """All customers of now, as a connector reads them at its first start."""
        return [_changed(customer) for customer in self._table.values()]

    def __next__(self) -> CustomerChange:
        # More inserts than deletes, so that the customers who rate are nearly all there, in a run of days too.
        kind = self._random.choices(("insert", "update", "delete"), (3, 6, 2))[0]
        if kind == "insert" and len(self._table) < MAX_CUSTOMERS:
            return self._insert()
        customer = self._random.choice(list(self._table.values()))
        return self._delete(customer) if kind == "delete" else self._update(customer)

    def _insert(self) -> CustomerChange:
        """A seed customer who was deleted comes back; when all of them are there, a new one joins."""
        customer = self._away.popleft() if self._away else self._newcomer()
        customer.create_ts = customer.update_ts = self._now()
        self._table[customer.id] = customer
        return _changed(customer)

    def _newcomer(self) -> Customer:
        first, last = self._random.choice(SEED_CUSTOMERS), self._random.choice(SEED_CUSTOMERS)
        customer = Customer(
            self._next_id,
            first.first_name,
            last.last_name,
            f"{first.first_name}.{last.last_name}.{self._next_id}@example.com".lower(),
            first.gender,
            # No club status and no comments: the reference inserts customers so, too.
            region=self._random.choice(REGIONS),
        )
        self._next_id += 1
        return customer

    def _update(self, customer: Customer) -> CustomerChange:
        """Give a customer the next club status, or another address."""
        if self._random.random() < 0.5:
            # After platinum bronze again: otherwise a run of days would end with nothing but platinum.
            status = customer.club_status
            reached = CLUB_STATUSES.index(status) + 1 if status else 0
            customer.club_status = CLUB_STATUSES[reached % len(CLUB_STATUSES)]
        else:
            customer.email = f"customer{customer.id}.{self._random.randrange(1000)}@example.com"
        customer.update_ts = self._now()
        return _changed(customer)

    def _delete(self, customer: Customer) -> CustomerChange:
        del self._table[customer.id]
        if customer.id <= len(SEED_CUSTOMERS):
            self._away.append(customer)
        return CustomerChange(_key(customer), None)

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(customer: Customer) -> bytes:
    return orjson.dumps({"id": customer.id})


def _changed(customer: Customer) -> CustomerChange:
    return CustomerChange(_key(customer), msgspec.json.encode(customer))
