from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import count
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, TimeTestingGetter, cluster_main, run_main
from prometheus_client import REGISTRY
from typing_extensions import override

from messages.version import Version, advance, is_stale
from operators.batch import KEY_GROUPS, Batch
from operators.decode import Loaded
from operators.failure import Failing
from operators.join import Changes, Join, TableJoin, Unmatched, join_table
from operators.limit import FailureLimit, TooManyFailures
from operators.state import JoinState, StateError, unpack
from records import customer
from records.customer import Customer, CustomerChange
from servers.embedded.debezium import SENT
from servers.embedded.messages import message

START = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
GRACE = timedelta(seconds=5)


class Order(msgspec.Struct, gc=False):
    """A record: a number, by a customer."""

    number: int
    customer: int


class Change(NamedTuple):
    """A customer's name is now this; None: deleted. Without a customer: all are."""

    customer: int | None
    name: str | None
    version: int | None = None
    untold: tuple[str, ...] = ()


Found = (
    tuple[int | None, str | None]
    | tuple[int | None, str | None, int | None]
    | tuple[int | None, str | None, int | None, tuple[str, ...]]
)
Joined = tuple[int, str | None]
Item = Any

step_ids: Iterator[str] = (f"join_{number}" for number in count())
customer_step = next(step_ids)


def orders(*numbers_and_customers: tuple[int, int]) -> Item:
    return Batch(Order(number, customer) for number, customer in numbers_and_customers)


def changes(*found: Found) -> Item:
    return Changes(Batch(Change(*one) for one in found))


def loaded(partition: int = 0, partitions: int = 1) -> Item:
    return Changes(Loaded(partition, partitions))


def failing(step: str, max_in_a_row: int = 1_000_000) -> tuple[Failing, Failing]:
    """Of records and of changes."""
    return Failing(step, FailureLimit(1, max_in_a_row)), Failing(step, FailureLimit(1, max_in_a_row))


class Bench:
    """A TableJoin at work, and what came out of it."""

    def __init__(
        self,
        *items: Item,
        grace: timedelta = GRACE,
        unmatched: Unmatched = "emit",
        max_held: int = 100,
        max_deleted: int = 100,
        state: bytes | None = None,
    ) -> None:
        self.clock = TimeTestingGetter(START)
        self.times_loaded = 0
        self.step = next(step_ids)
        self.join = TableJoin(
            self.step,
            an_order_join(grace, unmatched, max_held, max_deleted, self._on_loaded, self.clock.get),
            *failing(self.step),
            state,
        )
        self.give(*items)

    def _on_loaded(self) -> None:
        self.times_loaded += 1

    def give(self, *items: Item) -> list[Joined]:
        """The orders that come out joined when these items come in, in one batch."""
        return self._joined(self.join.on_batch(list(items)))

    def after(self, seconds: float) -> list[Joined]:
        """The orders that come out when so much time goes by."""
        self.clock.advance(timedelta(seconds=seconds))
        due = self.join.notify_at()
        return self._joined(self.join.on_notify()) if due is not None and due <= self.clock.now else []

    def _joined(self, out: tuple[Iterable[Any], bool]) -> list[Joined]:
        emitted, discard = out
        assert not discard
        self.unmatched = [order.number for one in emitted for order in one.unmatched]
        return [joined for one in emitted for joined in one.joined]

    def waiting(self) -> list[int]:
        """The orders that a new TableJoin would begin with."""
        return [order.number for order in unpack(self.join.snapshot(), JoinState[Order], self.step).records]

    def counted(self) -> dict[str, float]:
        """What the metrics say of this step; outcomes that were not counted are left out."""
        self.join.snapshot()  # it counts those that matched
        outcomes = "matched", "late", "emitted", "dropped", "dead_letter", "evicted"
        values = {
            outcome: REGISTRY.get_sample_value("join_records_total", {"step": self.step, "outcome": outcome})
            for outcome in outcomes
        }
        return {outcome: value for outcome, value in values.items() if value}

    def stale(self) -> float | None:
        return REGISTRY.get_sample_value("join_stale_changes_total", {"step": self.step})

    def untold(self) -> dict[str, float | None]:
        name = "join_untold_columns_total"
        outcomes = "kept", "null"
        return {one: REGISTRY.get_sample_value(name, {"step": self.step, "outcome": one}) for one in outcomes}

    def gauge(self, name: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"step": self.step})


def an_order_join(
    grace: timedelta,
    unmatched: Unmatched = "emit",
    max_held: int = 100,
    max_deleted: int = 100,
    on_loaded: Callable[[], None] = lambda: None,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Join[Order, Change, str, int | None, Joined]:
    return Join(
        record_type=Order,
        key=attrgetter("customer"),
        change=itemgetter(0, 1, 2, 3),
        stale=lambda known, new: known is not None and new is not None and new < known,
        advance=lambda known, new: known if new is None else new,
        complete=lambda known, name, untold: f"{known or '?'}+{name}-{','.join(untold)}",
        combine=lambda order, name: (order.number, name),
        grace=grace,
        unmatched=unmatched,
        max_held=max_held,
        max_deleted=max_deleted,
        on_loaded=on_loaded,
        clock=clock,
    )


# Loading.


@pytest.mark.parametrize(
    ("markers", "times_loaded"),
    [
        ([], 0),
        ([(0, 1)], 1),
        ([(0, 2)], 0),
        ([(0, 2), (1, 2)], 1),
        ([(1, 2), (0, 2)], 1),
        ([(0, 2), (0, 2)], 0),
        ([(2, 3), (0, 3)], 0),
        ([(2, 3), (0, 3), (2, 3), (1, 3)], 1),
        ([(0, 1), (0, 1)], 1),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_nothing_is_joined_before_all_markers(
    markers: list[tuple[int, int]], times_loaded: int, together: bool
) -> None:
    bench = Bench(changes((1, "a"), (2, "b")))
    assert bench.give(orders((10, 1), (11, 2), (12, 1))) == []
    items = [loaded(*marker) for marker in markers]
    batches = [items] if together else [[item] for item in items]
    joined = [found for batch in batches for found in bench.give(*batch)]
    assert joined == ([(10, "a"), (11, "b"), (12, "a")] if times_loaded else [])
    assert bench.times_loaded == times_loaded
    assert bench.waiting() == ([] if times_loaded else [10, 11, 12])


def test_the_last_change_before_the_markers_counts() -> None:
    bench = Bench(orders((10, 1), (11, 2)), changes((1, "a"), (2, "b"), (1, "A"), (2, None)))
    assert bench.give(changes((1, "AA")), loaded(), changes((1, "AAA"))) == [(10, "AA")]
    assert bench.give(orders((12, 1))) == [(12, "AAA")]


def test_early_orders_do_not_become_unmatched_however_long_loading_takes() -> None:
    bench = Bench(orders((10, 1)))
    assert bench.join.notify_at() is None
    assert bench.after(3600) == []
    assert bench.give(loaded()) == []
    assert bench.join.notify_at() == bench.clock.now + GRACE
    assert bench.give(changes((1, "a"))) == [(10, "a")]


def test_orders_of_the_state_come_first() -> None:
    before = Bench(loaded(), orders((10, 1), (11, 2), (12, 1)))
    bench = Bench(orders((20, 1), (21, 3)), changes((1, "a"), (2, "b"), (3, "c")), state=before.join.snapshot())
    assert bench.waiting() == [10, 11, 12, 20, 21]
    assert bench.give(loaded(), orders((30, 1))) == [(10, "a"), (11, "b"), (12, "a"), (20, "a"), (21, "c"), (30, "a")]


# The table.


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param([], {}, id="empty"),
        pytest.param([(1, "a")], {1: "a"}, id="insert"),
        pytest.param([(1, "a"), (1, "b")], {1: "b"}, id="update"),
        pytest.param([(1, "")], {1: ""}, id="a row that is false is a row"),
        pytest.param([(0, "a"), (-1, "b")], {0: "a", -1: "b"}, id="any number is a key"),
        pytest.param([(1, "a"), (2, "b"), (1, None)], {2: "b"}, id="delete"),
        pytest.param([(1, None)], {}, id="delete of nothing"),
        pytest.param([(1, "a"), (1, None), (1, None)], {}, id="delete twice"),
        pytest.param([(1, "a"), (1, None), (1, "b")], {1: "b"}, id="insert after delete"),
        pytest.param([(1, "a"), (2, "b"), (None, None)], {}, id="truncate"),
        pytest.param([(1, "a"), (None, None), (2, "b")], {2: "b"}, id="insert after truncate"),
    ],
)
@pytest.mark.parametrize("when", ["before loading", "after loading", "one by one"])
def test_the_table(found: list[Found], expected: dict[int, str], when: str) -> None:
    bench = after_changes(found, when)
    assert the_table(bench) == expected
    assert bench.gauge("join_table_rows") == len(expected)
    assert bench.stale() == 0


def after_changes(found: list[Found], when: str) -> Bench:
    match when:
        case "before loading":
            return Bench(changes(*found), loaded())
        case "after loading":
            return Bench(loaded(), changes(*found))
    bench = Bench(loaded())
    for change in found:
        bench.give(changes(change))
    return bench


def the_table(bench: Bench) -> dict[int, str | None]:
    return dict(bench.give(orders(*((customer, customer) for customer in (-1, 0, 1, 2)))))


def test_an_order_meets_the_row_of_its_time() -> None:
    bench = Bench(loaded(), changes((1, "a")))
    assert bench.give(orders((10, 1)), changes((1, "b")), orders((11, 1)), changes((1, "c"))) == [(10, "a"), (11, "b")]


# Versions.


@pytest.mark.parametrize(
    ("found", "expected", "stale"),
    [
        pytest.param([(1, "a", 1), (1, "b", 2)], {1: "b"}, 0, id="newer"),
        pytest.param([(1, "a", 2), (1, "b", 2)], {1: "b"}, 0, id="the same"),
        pytest.param([(1, "b", 2), (1, "a", 1)], {1: "b"}, 1, id="older"),
        pytest.param([(1, "b", 2), (2, "a", 1)], {1: "b", 2: "a"}, 0, id="older, of another key"),
        pytest.param([(1, "b", 2), (1, "a", 1), (1, "b", 2), (1, "c", 3)], {1: "c"}, 1, id="a repeat, and on"),
        pytest.param([(1, "b", 2), (1, "c"), (1, "a", 1)], {1: "c"}, 1, id="one without does not lower it"),
        pytest.param([(1, "c"), (1, "a", 1)], {1: "a"}, 0, id="after one without"),
        # Deletes.
        pytest.param([(1, "a", 1), (1, None, 2)], {}, 0, id="delete"),
        pytest.param([(1, "b", 2), (1, None, 1)], {1: "b"}, 1, id="an older delete"),
        pytest.param([(1, "a", 1), (1, None, 3), (1, "a", 1), (1, "b", 2)], {}, 2, id="older than the delete"),
        pytest.param([(1, None, 3), (1, None, 2), (1, "b", 2)], {}, 2, id="a delete older than the delete"),
        pytest.param([(1, "a", 1), (1, None, 3), (1, "b", 4)], {1: "b"}, 0, id="insert after delete"),
        pytest.param([(1, None, 3), (1, "b", 5), (1, "a", 4)], {1: "b"}, 1, id="older than the insert after delete"),
        pytest.param([(1, None, 3), (1, None), (1, "a", 2)], {}, 1, id="a delete without after the delete"),
        pytest.param([(1, "b", 2), (1, None), (1, "a", 1)], {}, 1, id="a delete without"),
        pytest.param([(1, "b", 2), (1, None), (1, "b", 2)], {1: "b"}, 0, id="the same after a delete without"),
        pytest.param([(1, None, 3), (1, "c"), (1, "a", 2)], {1: "c"}, 1, id="insert without after delete"),
        # Truncates.
        pytest.param(
            [(1, "a", 1), (2, "b", 3), (0, "c"), (None, None, 2)], {2: "b"}, 0, id="truncate of what is older"
        ),
        pytest.param([(1, "a", 2), (None, None, 2)], {}, 0, id="truncate of the same"),
        pytest.param([(None, None, 2), (1, "a", 1), (2, "b", 2), (0, "c", 3)], {2: "b", 0: "c"}, 1, id="older than it"),
        pytest.param(
            [(1, "a", 1), (None, None, 3), (1, "b", 2), (1, "c", 4)], {1: "c"}, 1, id="older than it, key known"
        ),
        pytest.param([(None, None, 2), (2, "b", 3), (None, None, 2)], {2: "b"}, 0, id="truncate again"),
        pytest.param([(None, None, 3), (1, "a", 4), (None, None, 2), (2, "b", 2)], {1: "a"}, 2, id="older truncate"),
        pytest.param([(1, None, 5), (None, None, 3), (1, "a", 4)], {}, 1, id="truncate forgets no newer delete"),
        pytest.param([(1, "a", 5), (None, None, 3), (1, "b", 4)], {1: "a"}, 1, id="truncate forgets no newer row"),
        pytest.param([(1, "a", 1), (2, "b", 5), (None, None)], {}, 0, id="truncate without"),
        pytest.param(
            [(1, "b", 2), (None, None), (1, "a", 1), (2, "c", 1)], {2: "c"}, 1, id="older after truncate without"
        ),
        pytest.param([(None, None, 3), (None, None), (1, "a", 2)], {}, 1, id="truncate without after truncate"),
    ],
)
@pytest.mark.parametrize("when", ["before loading", "after loading", "one by one"])
def test_an_older_change_is_stale(found: list[Found], expected: dict[int, str], stale: int, when: str) -> None:
    bench = after_changes(found, when)
    assert the_table(bench) == expected
    assert bench.gauge("join_table_rows") == len(expected)
    assert bench.stale() == stale


def test_a_stale_change_releases_nothing() -> None:
    bench = Bench(loaded(), changes((1, None, 5)), orders((10, 1)))
    assert bench.give(changes((1, "a", 4))) == []
    assert bench.waiting() == [10]
    assert bench.give(changes((1, "b", 6))) == [(10, "b")]


def test_of_deleted_keys_the_last_are_remembered() -> None:
    bench = Bench(loaded(), changes((0, None, 5), (1, None, 5), (0, None, 6), (2, None, 5)), max_deleted=2)
    assert bench.give(changes((0, "a", 4), (1, "b", 4), (2, "c", 4))) == []
    assert the_table(bench) == {1: "b"}
    assert bench.stale() == 2


def test_a_key_that_is_there_again_is_no_deleted_one() -> None:
    bench = Bench(loaded(), changes((0, None, 5), (1, None, 5), (1, "b", 6), (2, None, 5)), max_deleted=2)
    bench.give(changes((0, "a", 4), (1, "x", 5), (2, "c", 4)))
    assert the_table(bench) == {1: "b"}
    assert bench.stale() == 3


def test_a_truncate_without_version_keeps_to_the_limit() -> None:
    bench = Bench(loaded(), changes((0, "a", 5), (1, "b", 5), (2, "c", 5), (None, None)), max_deleted=2)
    bench.give(changes((0, "a", 4), (1, "b", 4), (2, "c", 4)))
    assert the_table(bench) == {0: "a"}


def a_customer_join() -> TableJoin[Order, CustomerChange, Customer, Version, tuple[int, Customer | None]]:
    return TableJoin(
        customer_step,
        Join(
            record_type=Order,
            key=attrgetter("customer"),
            change=attrgetter("id", "customer", "version", "untold"),
            stale=is_stale,
            advance=advance,
            complete=customer.completed,
            combine=lambda order, row: (order.customer, row),
            grace=GRACE,
            unmatched="drop",
        ),
        *failing(customer_step),
        None,
    )


@pytest.mark.parametrize("config", ["raw", "rawschema"])
def test_what_debezium_sends_again_brings_no_old_customer_back(config: str) -> None:
    found = [customer.decode(sent.message()) for sent in SENT if sent.config == config]
    sent = [change for change in found if change is not None]
    ids = sorted({change.id for change in sent if change.id is not None})
    for begin in range(len(sent)):
        for end in range(begin + 1, len(sent) + 1):
            join = a_customer_join()
            join.on_batch([loaded(), Changes(Batch(sent[:end]))])
            everyone = Batch(Order(number, number) for number in ids)
            before = dict(one for out in join.on_batch([everyone])[0] for one in out.joined)
            for again in sent[begin:end]:
                now = dict(one for out in join.on_batch([Changes(Batch([again])), everyone])[0] for one in out.joined)
                # A tombstone stands nowhere in the log: for a moment it may delete a customer who is there again.
                assert now.items() <= before.items()
            assert now == before


@pytest.mark.parametrize("new_partition", [0, 1])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_keys_that_moved_between_partitions_have_their_newer_row(new_partition: int, order: tuple[int, int]) -> None:
    def written(partition: int) -> list[CustomerChange | None]:
        name, timestamp = ("new", 2_000) if partition == new_partition else ("old", 1_000)
        rows = (f'{{"id":{number},"first_name":"{name}"}}'.encode() for number in range(200))
        return [customer.decode(message(row, partition=partition, timestamp=timestamp)) for row in rows]

    join = a_customer_join()
    for partition in order:
        join.on_batch([Changes(Batch(written(partition)))])
    everyone = Batch(Order(number, number) for number in range(200))
    out, _ = join.on_batch([loaded(), everyone])
    assert [row and row.first_name for one in out for _, row in one.joined] == ["new"] * 200


# Rows that do not tell all.


@pytest.mark.parametrize(
    ("found", "expected", "kept", "null"),
    [
        pytest.param([(1, "a"), (1, "b", None, ("x",))], {1: "a+b-x"}, 1, 0, id="a row is known"),
        pytest.param([(1, "b", None, ("x",))], {1: "?+b-x"}, 0, 1, id="no row is known"),
        pytest.param([(2, "a"), (1, "b", None, ("x",))], {1: "?+b-x", 2: "a"}, 0, 1, id="another row is known"),
        pytest.param([(1, "a"), (1, "b", None, ("x", "y"))], {1: "a+b-x,y"}, 2, 0, id="two columns"),
        pytest.param(
            [(1, "a"), (1, "b", None, ("x",)), (1, "c", None, ("y",))], {1: "a+b-x+c-y"}, 2, 0, id="one after another"
        ),
        pytest.param([(1, "a"), (1, None), (1, "b", None, ("x",))], {1: "?+b-x"}, 0, 1, id="deleted"),
        pytest.param([(1, "a"), (None, None), (1, "b", None, ("x",))], {1: "?+b-x"}, 0, 1, id="truncated"),
        pytest.param([(1, "a", 2), (1, "b", 1, ("x",))], {1: "a"}, 0, 0, id="stale"),
        pytest.param([(1, "a"), (1, "b", None, ("x",)), (1, "c")], {1: "c"}, 1, 0, id="replaced"),
    ],
)
@pytest.mark.parametrize("when", ["before loading", "after loading", "one by one"])
def test_what_a_row_does_not_tell_is_as_it_was(
    found: list[Found], expected: dict[int, str], kept: int, null: int, when: str
) -> None:
    bench = after_changes(found, when)
    assert the_table(bench) == expected
    assert bench.untold() == {"kept": kept, "null": null}


def test_a_held_order_meets_the_completed_row() -> None:
    bench = Bench(loaded(), changes((1, "a"), (1, None)), orders((10, 1), (11, 2)))
    assert bench.give(changes((1, "b", None, ("x",)))) == [(10, "?+b-x")]
    assert bench.give(changes((1, "c", None, ("y",))), orders((12, 1))) == [(12, "?+b-x+c-y")]


# Waiting.


def test_a_held_order_is_released_by_its_customer_in_order() -> None:
    bench = Bench(loaded(), changes((1, "a")))
    assert bench.give(orders((10, 2), (11, 1), (12, 3), (13, 2))) == [(11, "a")]
    assert bench.give(orders((14, 2))) == []
    assert bench.waiting() == [10, 12, 13, 14]
    assert bench.give(changes((2, "b")), orders((15, 2))) == [(10, "b"), (13, "b"), (14, "b"), (15, "b")]
    assert bench.waiting() == [12]
    assert bench.give(changes((2, "B"))) == []
    assert bench.give(changes((3, "c"))) == [(12, "c")]
    assert bench.waiting() == []


def test_neither_a_delete_nor_a_truncate_releases() -> None:
    bench = Bench(loaded(), orders((10, 1)))
    assert bench.give(changes((1, None), (None, None), (2, "b"))) == []
    assert bench.waiting() == [10]


@pytest.mark.parametrize(
    ("policy", "joined", "unmatched", "counted"),
    [
        ("emit", [(10, None), (11, None)], [], {"emitted": 2}),
        ("drop", [], [], {"dropped": 2}),
        ("dead-letter", [], [10, 11], {"dead_letter": 2}),
    ],
)
def test_when_the_grace_is_over(
    policy: Unmatched, joined: list[Joined], unmatched: list[int], counted: dict[str, int]
) -> None:
    bench = Bench(loaded(), orders((10, 1), (11, 2)), unmatched=policy)
    assert bench.after(4.999) == []
    assert bench.after(0.001) == joined
    assert (bench.unmatched, bench.waiting(), bench.counted()) == (unmatched, [], counted)
    assert bench.give(changes((1, "a"))) == []  # too late


def test_the_grace_is_each_orders_own() -> None:
    bench = Bench(loaded(), orders((10, 1)))
    assert bench.after(2) == []
    bench.give(orders((11, 2), (12, 1)))
    assert bench.join.notify_at() == START + GRACE
    assert bench.after(3) == [(10, None)]
    assert bench.join.notify_at() == START + timedelta(seconds=7)
    assert bench.give(changes((2, "b"))) == [(11, "b")]
    assert bench.after(1.9) == []
    assert bench.after(0.1) == [(12, None)]
    assert bench.join.notify_at() is None


@pytest.mark.parametrize(
    ("items", "due"),
    [
        ([], None),
        ([loaded()], None),
        ([orders((10, 1))], None),
        ([orders((10, 1)), loaded()], START + GRACE),
        ([loaded(), orders((10, 1)), changes((1, "a"))], None),
        ([loaded(), changes((1, "a")), orders((10, 1))], None),
    ],
)
def test_it_is_notified_only_of_what_waits(items: list[Item], due: datetime | None) -> None:
    assert Bench(*items).join.notify_at() == due


def test_without_grace_an_order_waits_until_the_next_notification() -> None:
    bench = Bench(loaded(), grace=timedelta(0))
    assert bench.give(orders((10, 1))) == []
    assert bench.join.notify_at() == START
    assert bench.after(0) == [(10, None)]
    # What comes in the same batch is still in time.
    assert bench.give(orders((11, 1)), changes((1, "a"))) == [(11, "a")]


@pytest.mark.parametrize(
    ("policy", "joined", "unmatched"),
    [("emit", [(10, None), (11, None)], []), ("drop", [], []), ("dead-letter", [], [10, 11])],
)
def test_above_the_limit_the_oldest_do_not_wait(policy: Unmatched, joined: list[Joined], unmatched: list[int]) -> None:
    bench = Bench(loaded(), orders((10, 1), (11, 2), (12, 3)), unmatched=policy, max_held=3)
    assert bench.waiting() == [10, 11, 12]
    assert bench.give(orders((13, 1), (14, 1))) == joined
    assert (bench.unmatched, bench.waiting()) == (unmatched, [12, 13, 14])
    assert bench.counted()["evicted"] == 2
    # Those that stay still wait for their customers, and no longer than they would have.
    assert bench.give(changes((1, "a"))) == [(13, "a"), (14, "a")]
    assert bench.give(changes((2, "b"))) == []
    assert bench.join.notify_at() == START + GRACE


def test_the_limit_counts_what_waits_after_a_batch() -> None:
    bench = Bench(loaded(), max_held=1)
    assert bench.give(orders((10, 1), (11, 2), (12, 1)), changes((1, "a"))) == [(10, "a"), (12, "a")]
    assert (bench.waiting(), bench.counted()) == ([11], {"late": 2})


# What a function of the join raises for.


class Bad(Exception):
    """Of a function that is handed to the join."""


def a_bad_join(
    unmatched: Unmatched = "emit", max_in_a_row: int = 1_000_000
) -> TableJoin[Order, Change, str, int | None, Joined]:
    """Raises for orders 66 (no key) and 77 (not combined), for the row "bad" and for a version of text."""

    def key(order: Order) -> int:
        if order.number == 66:
            raise Bad("no key")
        return order.customer

    def combine(order: Order, name: str | None) -> Joined:
        if order.number == 77 or name == "bad":
            raise Bad("not combined")
        return order.number, name

    def change(found: Change) -> tuple[int | None, str | None, int | None, Sequence[str]]:
        if found.name == "worse":
            raise Bad("no change")
        return found

    join = an_order_join(GRACE, unmatched, clock=TimeTestingGetter(START).get)
    step = next(step_ids)
    bad = failing(step, max_in_a_row)
    return TableJoin(step, replace(join, key=key, combine=combine, change=change), *bad, None)


@pytest.mark.parametrize(
    ("items", "joined", "failed"),
    [
        pytest.param([orders((10, 1), (66, 1), (11, 1))], [(10, "a"), (11, "a")], [Order(66, 1)], id="key"),
        pytest.param([orders((10, 1), (77, 1), (11, 1))], [(10, "a"), (11, "a")], [Order(77, 1)], id="combine"),
        pytest.param(
            [orders((10, 1), (12, 2), (77, 1), (66, 2)), changes((2, "b"))],
            [(10, "a"), (12, "b")],
            [Order(77, 1), Order(66, 2)],
            id="beside one that waits",
        ),
        pytest.param(
            [orders((12, 2), (77, 2), (13, 2)), changes((2, "b"))],
            [(12, "b"), (13, "b")],
            [Order(77, 2)],
            id="combine, after waiting",
        ),
        pytest.param(
            [changes((1, "bad")), orders((10, 1), (11, 3)), changes((3, "c"))],
            [(11, "c")],
            [Order(10, 1)],
            id="a bad row fails its orders",
        ),
        pytest.param(
            [changes((1, "z"), (1, "worse"), (2, "b")), orders((10, 1), (11, 2))],
            [(10, "z"), (11, "b")],
            [Change(1, "worse")],
            id="change",
        ),
        pytest.param(
            [changes((1, "z", 3), (1, "y", "text"), (2, "b")), orders((10, 1), (11, 2))],  # type: ignore[arg-type]
            [(10, "z"), (11, "b")],
            [Change(1, "y", "text")],  # type: ignore[arg-type]
            id="stale",
        ),
    ],
)
@pytest.mark.parametrize("when", ["before loading", "after loading"])
def test_what_the_join_raises_for_fails_alone(
    items: list[Item], joined: list[Joined], failed: list[object], when: str
) -> None:
    join = a_bad_join()
    first = [changes((1, "a"))]
    given = [*first, *items, loaded()] if when == "before loading" else [*first, loaded(), *items]
    (out,) = join.on_batch(given)[0]
    assert (sorted(out.joined), [one.record for one in out.failures]) == (joined, failed)
    assert {one.error for one in out.failures} <= {"Bad", "TypeError"}


@pytest.mark.parametrize(
    ("items", "stops"),
    [
        pytest.param([orders(*[(77, 1)] * 2)], False, id="as many in a row as may"),
        pytest.param([orders(*[(77, 1)] * 3)], True, id="one too many"),
        pytest.param([orders((77, 1), (66, 1)), orders((77, 1))], True, id="in two batches"),
        pytest.param([orders((77, 1), (77, 1), (1, 1), (77, 1), (77, 1))], False, id="in the order of the records"),
        pytest.param([orders((77, 1), (77, 1)), orders((1, 1)), orders((77, 1), (77, 1))], False, id="of batches, too"),
        pytest.param([orders(*[(77, 2)] * 3), changes((2, "b"))], True, id="of records that waited"),
        pytest.param([orders(*[(77, 2)] * 2, (1, 2), (77, 2)), changes((2, "b"))], False, id="and some did not fail"),
        pytest.param([changes(*[(1, "worse")] * 3)], True, id="changes"),
        pytest.param([changes((1, "worse"), (1, "worse"), (2, "b"), (1, "worse"))], False, id="between other changes"),
        pytest.param([orders(*[(77, 1)] * 2), changes(*[(1, "worse")] * 2)], False, id="records and changes apart"),
        pytest.param(
            [orders((77, 1)), changes((2, "b")), orders((77, 1)), changes((2, "b")), orders((77, 1))],
            True,
            id="records between good changes",
        ),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_too_many_failures_stop_the_flow(items: list[Item], stops: bool, at_once: bool) -> None:
    join = a_bad_join(max_in_a_row=2)
    join.on_batch([changes((1, "a")), loaded()])
    try:
        for some in [items] if at_once else [[item] for item in items]:
            join.on_batch(some)
    except TooManyFailures:
        assert stops
    else:
        assert not stops


@pytest.mark.parametrize(
    ("policy", "joined", "failed"), [("emit", [(10, None)], [Order(77, 2)]), ("drop", [], []), ("dead-letter", [], [])]
)
def test_a_record_that_waited_for_nobody_fails_alone(
    policy: Unmatched, joined: list[Joined], failed: list[Order]
) -> None:
    join = a_bad_join(policy)
    join.on_batch([loaded(), orders((10, 1), (77, 2))])
    clock = join._join.clock
    assert isinstance(clock.__self__, TimeTestingGetter)  # type: ignore[attr-defined]
    clock.__self__.advance(GRACE)  # type: ignore[attr-defined]
    emitted = list(join.on_notify()[0])
    assert [one for out in emitted for one in out.joined] == joined
    assert [one.record for out in emitted for one in out.failures] == failed


# The state.


@pytest.mark.parametrize(
    ("items", "waiting"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([changes((1, "a"))], [], id="the table is no state"),
        pytest.param([orders((10, 1), (11, 2))], [10, 11], id="before loading"),
        pytest.param([loaded(), orders((10, 1), (11, 2))], [10, 11], id="held"),
        pytest.param([loaded(), orders((10, 1), (11, 2)), changes((1, "a"))], [11], id="one released"),
        pytest.param([orders((10, 1)), loaded(), orders((11, 2)), loaded()], [10, 11], id="early and held"),
    ],
)
def test_a_new_join_goes_on_from_a_snapshot(items: list[Item], waiting: list[int]) -> None:
    bench = Bench(*items)
    assert bench.waiting() == waiting
    after = Bench(state=bench.join.snapshot())
    assert after.waiting() == waiting
    assert after.give(loaded()) == []
    assert after.join.notify_at() == (START + GRACE if waiting else None)  # the grace begins anew
    assert after.waiting() == waiting
    assert after.give(changes((1, "A"), (2, "B"))) == [(number, {10: "A", 11: "B"}[number]) for number in waiting]
    assert (after.waiting(), after.counted()) == ([], {"late": len(waiting)} if waiting else {})


def test_a_snapshot_is_not_changed_by_what_follows() -> None:
    bench = Bench(loaded(), orders((10, 1)))
    before = bench.join.snapshot()
    bench.give(changes((1, "a")), orders((11, 2)))
    assert [order.number for order in unpack(before, JoinState[Order], "join").records] == [10]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(msgspec.msgpack.encode([Order(10, 1)]), id="as it was before it had a version"),
        pytest.param(msgspec.msgpack.encode({"state": "operators.join.v2", "records": []}), id="a later version"),
        pytest.param(
            msgspec.msgpack.encode({"state": "operators.join.v1", "records": [{"no": 1}]}), id="other records"
        ),
        pytest.param([], id="no bytes"),
    ],
)
def test_a_state_of_another_version_is_refused_in_a_line(caplog: pytest.LogCaptureFixture, state: Any) -> None:
    with pytest.raises(
        StateError, match=r"^the state of join_\d+ in the recovery store is not operators.join.v1 "
    ) as error:
        Bench(state=state)
    assert caplog.messages == [str(error.value)]


# The metrics.


def test_every_order_is_counted_once() -> None:
    bench = Bench(orders((10, 1), (11, 2)), changes((1, "a")), max_held=3)
    assert (bench.counted(), bench.gauge("join_held")) == ({}, 2)
    bench.give(loaded())
    assert (bench.counted(), bench.gauge("join_held")) == ({"matched": 1}, 1)
    bench.give(orders((12, 1), (13, 3), (14, 4), (15, 5)))
    assert (bench.counted(), bench.gauge("join_held")) == ({"matched": 2, "emitted": 1, "evicted": 1}, 3)
    bench.give(changes((3, "c")))
    assert (bench.counted(), bench.gauge("join_held")) == ({"matched": 2, "emitted": 1, "evicted": 1, "late": 1}, 2)
    bench.after(5)
    assert (bench.counted(), bench.gauge("join_held")) == ({"matched": 2, "emitted": 3, "evicted": 1, "late": 1}, 0)
    assert bench.gauge("join_table_rows") == 2


def test_what_the_state_holds_is_counted_as_held() -> None:
    before = Bench(loaded(), orders((10, 1), (11, 2)))
    bench = Bench(state=before.join.snapshot())
    assert bench.gauge("join_held") == 2
    bench.give(changes((1, "a")), loaded())
    assert bench.gauge("join_held") == 1
    bench.after(5)
    assert bench.gauge("join_held") == 0


# In a flow.


class FromStart(TestingSource[Any]):
    """Is read from its beginning at every start, as the table's source is."""

    __test__ = False

    @override
    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> Any:
        return super().build_part(step_id, for_part, None)


G = KEY_GROUPS
EVERY_BATCH = timedelta(0)
"""An epoch a batch: the batches of both sources that have the same number are joined in the same epoch."""


def a_flow(
    stream: TestingSource[Any],
    table: list[Any],
    *,
    grace: timedelta = timedelta(hours=1),
    unmatched: Unmatched = "emit",
    on_loaded: Callable[[], None] = lambda: None,
) -> tuple[Dataflow, list[Any], list[Any]]:
    joined: list[Any] = []
    given_up: list[Any] = []
    flow = Dataflow("test")
    left, right = op.input("stream", flow, stream), op.input("table", flow, FromStart(table))
    out = join_table(
        "join", left, right, an_order_join(grace, unmatched, on_loaded=on_loaded), lambda: FailureLimit(1, 100)
    )
    op.output("joined", out.joined, TestingSink(joined))
    op.output("unmatched", out.unmatched, TestingSink(given_up))
    op.output(
        "errs", op.map_value("records", out.errs, lambda errs: [one.record for one in errs]), TestingSink(given_up)
    )
    return flow, joined, given_up


def batch(*numbers_and_customers: tuple[int, int]) -> Batch[Order]:
    return Batch(Order(number, customer) for number, customer in numbers_and_customers)


@pytest.mark.parametrize("workers", [1, 2])
def test_key_groups_have_their_own_tables(workers: int) -> None:
    times_loaded: list[int] = []
    flow, joined, given_up = a_flow(
        TestingSource([(G[1], batch((10, 1))), (G[2], batch((20, 2))), (G[1], batch((11, 2)))]),
        [(G[1], Batch([Change(1, "a")])), (G[2], Batch([Change(2, "b")])), (G[1], Loaded(0, 1)), (G[2], Loaded(0, 1))],
        on_loaded=lambda: times_loaded.append(1),
    )
    cluster_main(flow, [], 0, worker_count_per_proc=workers, epoch_interval=EVERY_BATCH)
    # Order 11 is by a customer of another group, where its key does not belong: it waits.
    assert sorted((group, one) for group, found in joined for one in found) == [(G[2], (20, "b")), (G[1], (10, "a"))]
    assert (given_up, len(times_loaded)) == ([], 2)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("emit", ([(10, None), (11, "a")], [])),
        ("drop", ([(11, "a")], [])),
        ("dead-letter", ([(11, "a")], [Order(10, 2)])),
    ],
)
def test_the_streams_of_the_step(policy: Unmatched, expected: tuple[list[Joined], list[Order]]) -> None:
    pause = TestingSource.PAUSE(timedelta(seconds=0.2))
    flow, joined, given_up = a_flow(
        TestingSource([(G[0], batch((10, 2), (11, 1))), pause]),
        [(G[0], Batch([Change(1, "a")])), (G[0], Loaded(0, 1)), pause],
        grace=timedelta(seconds=0.05),
        unmatched=policy,
    )
    run_main(flow, epoch_interval=EVERY_BATCH)
    assert sorted(one for _, found in joined for one in found) == expected[0]
    assert [one for _, found in given_up for one in found] == expected[1]
    assert {type(found) for _, found in joined + given_up} == {Batch}


@pytest.mark.parametrize("end", [TestingSource.EOF, TestingSource.ABORT])
def test_what_is_held_survives_a_stop_and_a_crash(tmp_path: Path, end: Callable[[], Any]) -> None:
    init_db_dir(tmp_path, 1)
    recovery = RecoveryConfig(tmp_path)
    stream = TestingSource(
        [
            (G[0], batch((10, 1), (11, 2))),
            (G[0], batch((12, 2))),
            (G[3], batch((13, 3))),
            end(),
            (G[0], batch((14, 1), (15, 2))),
            (G[3], batch((16, 3))),
        ]
    )
    first = [(G[0], Batch([Change(1, "a")])), (G[0], Loaded(0, 1)), (G[3], Loaded(0, 1))]
    flow, joined, _ = a_flow(stream, [*first, TestingSource.PAUSE(timedelta(seconds=0.1))])
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    assert joined == [(G[0], [(10, "a")])]

    # The table is read from its start; in it is now what the held orders wait for.
    second = [
        (G[0], Batch([Change(1, "a"), Change(2, "b")])),
        (G[3], Batch([Change(3, "c")])),
        (G[0], Loaded(0, 1)),
        (G[3], Loaded(0, 1)),
    ]
    flow, joined, _ = a_flow(stream, second)
    run_main(flow, epoch_interval=EVERY_BATCH, recovery_config=recovery)
    assert {key for key, _ in joined} == {G[0]}
    everything = [one for _, found in joined for one in found]
    assert [one for one in everything if one[1] != "c"] == [(11, "b"), (12, "b"), (14, "a"), (15, "b")]
    assert [one for one in everything if one[1] == "c"] == [(13, "c"), (16, "c")]


def test_failures_have_a_stream_of_their_own() -> None:
    flow, joined, apart = a_flow(
        TestingSource([(G[0], Batch([Order(10, 1), Order([], 1)]))]),  # type: ignore[arg-type]
        [(G[0], Batch([Change([], "a"), Change(1, "a")])), (G[0], Loaded(0, 1))],  # type: ignore[arg-type]
    )
    run_main(flow, epoch_interval=EVERY_BATCH)
    assert joined == [(G[0], [(10, "a"), ([], "a")])]
    assert apart == [(G[0], [Change([], "a")])]  # type: ignore[arg-type]
