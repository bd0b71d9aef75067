"""A customer table and its changes, as Debezium writes them."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from random import Random
from typing import NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from servers.seed import SEED_CUSTOMERS, Customer

MAX_CUSTOMERS = 40
"""The table grows to so many customers at most, in a run of days too."""

CLUB_STATUSES = ("bronze", "silver", "gold", "platinum")
REGIONS = ("EMEA", "AMER", "APAC", None)


class CustomerChange(NamedTuple):
    """A message for the topic of customer changes, as Debezium's flattening writes it."""

    key: bytes
    """JSON: ``{"id":1}``."""
    value: bytes | None
    """JSON of the row as it is now; None (a tombstone) where it was deleted."""


class CustomerChanges(Iterator[CustomerChange]):
    """A customer table and its changes: first ``snapshot``, then iterate for inserts, updates and deletes."""

    def __init__(self, seed: int = 0, clock: Callable[[], float] = time.time) -> None:
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
