"""The desk and the journal, in random schedules with kills and clocks that jump."""

from collections import Counter
from math import inf
from random import Random
from typing import NamedTuple

import pytest

from sinks.notices import Entry, Limits, Notice
from sinks.notices.desk import Desk, Draft
from sinks.notices.journal import Ended, Intent, Recall, Record, Taken, decode, encode

DAY = 86_400.0


def entry(key: str, about: str = "ada", at: float = 0.0, to: str = "", rank: int = 1) -> Entry:
    return Entry(key, about, to, int(at * 1000), rank, {})


class Arrived(NamedTuple):
    at: float
    notice: Notice


class Killed(Exception):
    pass


class World:
    """A clerk without threads: what is on the journal and what has arrived outlives it."""

    def __init__(self, limits: Limits, chance: Random, kills: float, at_once: int = 1, refusals: float = 0.0) -> None:
        self.limits, self.chance, self.kills = limits, chance, kills
        self.at_once, self.refusals = at_once, refusals
        self.now, self.offset = 1_000.0, 1_700_000_000.0
        self.journal: list[bytes] = []
        self.arrived: list[Arrived] = []
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.under_way: list[Notice] = []
        self.ids, self.clock = 0, "clock"
        self.desk = Desk(limits)

    @property
    def wall(self) -> float:
        return self.now + self.offset

    def may_die(self) -> None:
        if self.chance.random() < self.kills:
            raise Killed

    def write(self, record: Record) -> None:
        self.may_die()
        self.journal.append(encode(record))
        self.may_die()

    def start(self) -> None:
        self.desk, recall = Desk(self.limits), Recall()
        for value in self.chance.sample(self.journal, len(self.journal)):  # as partitions may be read in any order
            recall.add(decode(value))
        keys, waiting, in_doubt, told = recall.result()
        self.desk.know(keys)
        for one in waiting:
            self.desk.keep(one, self.now, self.wall)
        for age, about in sorted(
            ((one.age(self.clock, self.now, self.wall), one.about) for one in told), key=lambda one: -one[0]
        ):
            self.desk.remember(about, self.now - age)
        self.under_way = [doubt.notice for doubt in in_doubt]
        for notice in self.under_way:
            self.desk.reserve(notice.about)
        assert len(self.under_way) <= self.at_once

    def take(self, one: Entry) -> str:
        verdict = self.desk.take(one, self.now, self.wall)
        if verdict == "taken":
            self.write(Taken(one))
            self.taken.append(one.key)  # a snapshot has it
        return verdict

    def post(self) -> None:
        """Go on with any of the messages that are under way: it arrives, is answered, is refused, or has to wait."""
        notice = self.under_way[self.chance.randrange(len(self.under_way))]
        self.now += self.chance.choice([0.0, 0.0, 0.1, 3.0])
        if self.chance.random() < 0.1:  # sent again for minutes
            self.now += self.chance.choice([1.0, 70.0, 200.0])
        elif any(one.notice.id == notice.id for one in self.arrived):
            self.write(Ended(notice.id, int(self.wall * 1000), "told", self.clock, self.now))
            self.desk.told(notice.about, self.now)
            self.under_way.remove(notice)
        elif self.chance.random() < self.refusals:
            self.refuse(notice)
        else:
            self.arrived.append(Arrived(self.now, notice))

    def refuse(self, notice: Notice) -> None:
        self.may_die()
        self.refused += notice.keys
        self.journal.append(encode(Ended(notice.id, int(self.wall * 1000), "refused", self.clock, self.now)))
        self.may_die()
        self.desk.refused(notice.about, notice.keys)
        self.under_way.remove(notice)

    def work(self) -> float:
        """Tell what is due, and return the seconds until there may be more."""
        while True:
            if len(self.under_way) == self.at_once or (self.under_way and self.chance.random() < 0.5):
                self.post()
            elif isinstance(due := self.desk.next(self.now), Draft):
                self.ids += 1
                keys = tuple(one.key for one in due.entries)
                notice = Notice(f"id-{self.ids}", due.to, keys, due.about, int(self.wall * 1000), {})
                self.write(Intent(notice))
                self.under_way.append(notice)
            elif self.under_way:
                self.post()
            else:
                return due

    def check(self, limits: Limits, keys: set[str]) -> None:
        assert Counter(key for one in self.arrived for key in one.notice.keys) == Counter(keys)
        times = [one.at for one in self.arrived]
        n = limits.per_minute
        assert all(later - earlier >= 60 for earlier, later in zip(times, times[n:], strict=False))
        last: dict[str, float] = {}
        for at, notice in self.arrived:
            if notice.about is not None:
                assert at - last.get(notice.about, -inf) >= limits.cooldown
                last[notice.about] = at


@pytest.mark.parametrize("seed", range(60))
def test_each_key_is_told_once_and_nothing_faster_than_the_limits(seed: int) -> None:
    chance = Random(seed)
    limits = Limits(chance.choice([0, 5, 60, 600]), chance.choice([1, 2, 10]), max_age=300)
    kills, at_once, refusals = chance.choice([0.0, 0.02, 0.1]), chance.choice([1, 3, 16]), chance.choice([0.0, 0.1])
    world = World(limits, chance, kills, at_once, refusals)
    offered = [entry(f"key-{chance.randrange(150)}", f"p{chance.randrange(12)}", to=chance.choice(["", "c"]))
               for _ in range(400)]  # fmt: skip
    entries = {one.key: one for one in offered}
    jumps, quiet = 4, 0.0
    while offered or quiet is not inf:
        try:
            world.start()
            while offered or quiet is not inf:
                if chance.random() < 0.02 and jumps:
                    jumps -= 1
                    world.offset += chance.choice([-DAY, DAY])
                for _ in range(chance.choice([0, 1, 1, 30])):
                    if offered:
                        one = offered[-1]
                        world.take(entry(one.key, one.about, world.wall - chance.choice([0, 100]), one.to))
                        offered.pop()  # after a kill it comes again
                quiet = world.work()
                while world.refused:  # somebody sends them again
                    offered.append(entries[world.refused.pop()])
                world.now += min(quiet, chance.choice([0.5, 5.0, 61.0]))
        except Killed:
            world.now, quiet = world.now + chance.choice([0.0, 1.0, 100.0]), 0.0
    world.check(limits, set(entries))


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_clock_that_jumps_while_it_is_down_neither_blocks_for_a_day_nor_floods(jump: float) -> None:
    limits = Limits(cooldown=600, per_minute=5)
    world = World(limits, Random(1), kills=0)
    world.start()
    for number in range(50):
        world.take(entry(f"a{number}", f"p{number}", world.wall))
    world.work()
    world.offset += jump
    world.clock = "another machine's"
    world.start()
    for number in range(50):
        assert world.take(entry(f"a{number}", f"p{number}", world.wall)) == "repeated"
        world.take(entry(f"b{number}", f"p{number}", world.wall))
    while (quiet := world.work()) is not inf:
        world.now += quiet
    assert world.now < 1_000 + 600 + 200
    assert len(world.arrived) <= 4 * limits.per_minute
    assert Counter(key for one in world.arrived for key in one.notice.keys) == Counter(world.taken)


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(0, "taken"), (299, "taken"), (301, "age"), (DAY, "age"), (-DAY, "taken")],
)
def test_what_is_too_old_is_not_taken(age: float, verdict: str) -> None:
    assert Desk(Limits(max_age=300)).take(entry("k", at=1e9 - age), 0.0, 1e9) == verdict


def test_a_message_under_way_holds_its_slot_and_its_customer_until_it_ends() -> None:
    desk = Desk(Limits(cooldown=600, per_minute=3))
    for number, about in enumerate(["ada", "bob", "ada", "eve"]):
        desk.take(entry(str(number), about), 0.0, 0.0)
    due = [desk.next(0.0) for _ in range(4)]
    assert [one.about for one in due if isinstance(one, Draft)] == ["ada", "bob", "eve"]
    assert due[-1] == inf  # there is no slot before one ends
    desk.refused("eve", ["3"])
    assert desk.next(0.0) == 60.0  # a slot, and the digest of what waits is due then
    desk.told("ada", 100.0)
    assert desk.next(100.0) == Draft("", [entry("2", "ada")], is_digest=True)
    desk.told("bob", 130.0)
    desk.told(None, 140.0)
    desk.take(entry("4", "eve"), 150.0, 150.0)
    assert desk.next(150.0) == pytest.approx(10.05)  # the minute goes by the answers


def drafts(desk: Desk, now: float, outcome: str = "told") -> list[tuple[str, list[str]]]:
    found = []
    while isinstance(due := desk.next(now), Draft):
        found.append(("digest" if due.is_digest else "alone", [one.key for one in due.entries]))
        if outcome == "told":
            desk.told(due.about, now)
        else:
            desk.refused(due.about, [one.key for one in due.entries])
    return found


def test_the_second_of_a_customer_waits_for_a_digest_with_the_worst_first() -> None:
    desk = Desk(Limits(cooldown=600, max_age=3600))
    for key, about, rank in [("a", "ada", 2), ("b", "ada", 2), ("c", "bob", 1), ("d", "ada", 1), ("e", "bob", 1)]:
        assert desk.take(entry(key, about, rank=rank), 0.0, 0.0) == "taken"
    assert drafts(desk, 0.0) == [("alone", ["a"]), ("alone", ["c"])]
    assert desk.next(10.0) == 50.0
    assert drafts(desk, 60.0) == [("digest", ["d", "e", "b"])]
    assert desk.next(60.0) == inf
    desk.take(entry("f", "ada"), 700.0, 700.0)
    assert drafts(desk, 700.0) == [("alone", ["f"])]


def test_without_a_cooldown_everything_is_told_alone() -> None:
    desk = Desk(Limits(cooldown=0))
    for key in "abc":
        desk.take(entry(key), 0.0, 0.0)
    assert drafts(desk, 0.0) == [("alone", ["a"]), ("alone", ["b"]), ("alone", ["c"])]


def test_a_flood_is_told_in_digests_of_a_thousand_at_most() -> None:
    desk = Desk(Limits(cooldown=600, per_minute=3))
    for number in range(2500):
        desk.take(entry(str(number), f"p{number}"), 0.0, 0.0)
    assert [len(keys) for _, keys in drafts(desk, 0.0)] == [1, 1, 1]
    assert [len(keys) for _, keys in drafts(desk, 60.1)] == [1000, 1000, 497]


def test_what_grows_old_while_it_waits_is_told_in_a_digest() -> None:
    desk = Desk(Limits(cooldown=10, max_age=300))
    desk.take(entry("a"), 0.0, 0.0)
    desk.take(entry("b", "bob"), 0.0, 0.0)
    assert drafts(desk, 400.0) == []  # Slack was away until now
    assert drafts(desk, 411.0) == [("digest", ["a", "b"])]


def test_a_refused_key_may_come_again() -> None:
    desk, recall = Desk(Limits()), Recall()
    desk.take(entry("a"), 0.0, 0.0)
    assert desk.take(entry("a"), 0.0, 0.0) == "repeated"
    assert drafts(desk, 0.0, outcome="refused") == [("alone", ["a"])]
    assert desk.take(entry("a"), 0.0, 0.0) == "taken"
    notice = Notice("1", "", ("a",), "ada", 0, {})
    for record in (Taken(entry("a")), Intent(notice), Ended("1", 0, "refused")):
        recall.add(record)
    assert recall.result() == ([], [], [], [])


def test_an_intent_that_no_run_saw_is_void() -> None:
    """A killed run's last request may be appended after the next run has read the end."""
    recall = Recall()
    late, made = Notice("1", "", ("a", "b"), None, 1, {}), Notice("2", "", ("a",), "ada", 2, {})
    for record in (Taken(entry("a")), Taken(entry("b")), Intent(late), Intent(made)):
        recall.add(record)
    keys, waiting, in_doubt, _ = recall.result()
    assert keys == ["a"]
    assert [one.key for one in waiting] == ["b"]
    assert [one.notice.id for one in in_doubt] == ["2"]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[]", b'{"type":"other"}', b'{"type":"taken.v1"}'])
def test_what_is_no_record_is_refused(value: bytes | None) -> None:
    with pytest.raises(ValueError, match=r"JSON|Object|Expected|Invalid|truncated"):
        decode(value)


@pytest.mark.parametrize(
    ("record", "value"),
    [
        (
            Taken(Entry("r/1", "user 1", "C1", 5, 2, {"alert": {"stars": 2}})),
            b'{"type":"taken.v1","entry":{"key":"r/1","about":"user 1","to":"C1","at":5,"rank":2,'
            b'"content":{"alert":{"stars":2}}}}',
        ),
        (
            Intent(Notice("id", "", ("r/1", "r/2"), None, 6, {"text": "2 more"})),
            b'{"type":"intent.v1","notice":{"id":"id","to":"","keys":["r/1","r/2"],"about":null,"at":6,'
            b'"body":{"text":"2 more"}}}',
        ),
        (
            Ended("id", 7, "told", "boot", 1.5),
            b'{"type":"ended.v1","id":"id","at":7,"outcome":"told","clock":"boot","tick":1.5}',
        ),
    ],
    ids=lambda one: one.name if not isinstance(one, bytes) else "",
)
def test_a_record_has_the_fields_of_its_version(record: Record, value: bytes) -> None:
    """Journals of this version are read by later ones: a field that changes makes another tag, and both are read."""
    assert encode(record) == value
    assert decode(value) == record
