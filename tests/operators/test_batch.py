import copy
import pickle
import threading
from collections.abc import Callable
from datetime import timedelta

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, cluster_main
from typing_extensions import override

from messages.dead_letter import dead_letter
from operators.batch import KEY_GROUPS, Batch, group_index
from operators.decode import DeadLetters, Loaded
from operators.failure import Failure, Failures
from records.customer import Customer, CustomerChange
from records.enriched import NOBODY, Match, encode_matches, enrich
from records.rating import Rating, SourcedRating

MASK = 2**64 - 1


def siphash13(data: bytes) -> int:
    """SipHash with one and three rounds and a key of zeros, as Rust's DefaultHasher has it."""
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573

    def rotated(word: int, bits: int) -> int:
        return ((word << bits) | (word >> (64 - bits))) & MASK

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & MASK
            v1 = rotated(v1, 13) ^ v0
            v0 = rotated(v0, 32)
            v2 = (v2 + v3) & MASK
            v3 = rotated(v3, 16) ^ v2
            v0 = (v0 + v3) & MASK
            v3 = rotated(v3, 21) ^ v0
            v2 = (v2 + v1) & MASK
            v1 = rotated(v1, 17) ^ v2
            v2 = rotated(v2, 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append((len(data) & 0xFF) << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        v3 ^= word
        rounds(1)
        v0 ^= word
    v2 ^= 0xFF
    rounds(3)
    return v0 ^ v1 ^ v2 ^ v3


def test_siphash() -> None:
    # CPython's own, from 3.11 on: PYTHONHASHSEED=0 python -c 'print(hash(b"bytewax"), hash(b"a" * 100))'
    assert siphash13(b"bytewax") == -7788818508514925108 % 2**64
    assert siphash13(b"a" * 100) == -2643860352045292050 % 2**64


def worker(key: str, workers: int) -> int:
    """Where Bytewax sends a key: Rust hashes a text's bytes and then 0xff."""
    return siphash13(key.encode() + b"\xff") % workers


@pytest.mark.parametrize("workers", range(1, 17))
def test_a_key_group_lives_on_the_worker_of_its_index(workers: int) -> None:
    assert [worker(key, workers) for key in KEY_GROUPS] == [index % workers for index in range(16)]


def test_key_groups() -> None:
    assert len(set(KEY_GROUPS)) == 16
    assert [group_index(key) for key in KEY_GROUPS] == list(range(16))
    # The first keys that do it for every number of workers.
    assert [siphash13(key.encode() + b"\xff") % 720_720 for key in KEY_GROUPS] == list(range(16))


class _Where(StatefulBatchLogic[int, int, None]):
    """Tells the thread that it runs in."""

    @override
    def on_batch(self, values: list[int]) -> tuple[list[int], bool]:
        return [threading.get_ident()], False

    @override
    def snapshot(self) -> None:
        return None


class _Threads(DynamicSink[tuple[str, int]], StatelessSinkPartition[tuple[str, int]]):
    """Notes the thread of each worker."""

    def __init__(self) -> None:
        self.workers: dict[int, int] = {}
        self.found: dict[str, int] = {}

    @override
    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Threads":
        self.workers[threading.get_ident()] = worker_index
        return self

    @override
    def write_batch(self, items: list[tuple[str, int]]) -> None:
        self.found.update(items)


@pytest.mark.parametrize("workers", [2, 3])
def test_bytewax_sends_a_key_group_to_the_worker_of_its_index(workers: int) -> None:
    threads = _Threads()
    flow = Dataflow("where")
    keys = op.input("in", flow, TestingSource([(key, 0) for key in KEY_GROUPS]))
    op.output("out", op.stateful_batch("where", keys, lambda _: _Where()), threads)
    cluster_main(flow, [], 0, worker_count_per_proc=workers, epoch_interval=timedelta(0))
    found = [threads.workers[threads.found[key]] for key in KEY_GROUPS]
    assert found == [index % workers for index in range(16)]


CUSTOMER = Customer("Zoë", None, "Zoë", None, "gold", None)
RATING = Rating(1, -2, 3, None, 5, "web", "“meh” 😀", 7, 8, 9)
SOURCED = SourcedRating(1, -2, source_key=b"key", source_value=b"\xff", source_headers=[("a", b"\xff"), ("b", None)])
LETTER = dead_letter("ratings", 1, 2, 3, None, b"\xff", step="join", error="UnknownCustomer", message="no customer")


@pytest.mark.parametrize("copied", [lambda batch: pickle.loads(pickle.dumps(batch)), copy.deepcopy])
@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(Batch([RATING, Rating(2**63 - 1, -(2**63))]), id="ratings"),
        pytest.param(Batch([CustomerChange(1, CUSTOMER), CustomerChange(2, None)]), id="changes"),
        pytest.param(Batch([CustomerChange(None, None)]), id="a truncate"),
        pytest.param(Batch([CustomerChange(1, CUSTOMER, b"\xff" * 30)]), id="a change with its position"),
        pytest.param(Batch([SOURCED]), id="ratings with their messages"),
        pytest.param(Batch([Match(RATING, CUSTOMER), Match(RATING, NOBODY)]), id="matches"),
        pytest.param(Batch([enrich(Match(RATING, CUSTOMER))]), id="enriched ratings"),
        pytest.param(Batch([("key", b'{"a":1}'), ("\u00e9", b"\xff")]), id="messages"),
        pytest.param(Batch(encode_matches([Match(RATING, CUSTOMER)])), id="encoded ratings"),
        pytest.param(Batch([RATING] * 10_000), id="many"),
        pytest.param(Batch([1, 2, 3]), id="numbers"),
        pytest.param(Batch(), id="empty"),
        pytest.param(DeadLetters([LETTER]), id="dead letters"),
        pytest.param(DeadLetters(), id="no dead letters"),
        pytest.param(
            Failures([Failure(RATING, "a", "TypeError", "why"), Failure(("7", b"\xff", None, 1), "b", "KeyError", "")]),
            id="failures of any type",
        ),
        pytest.param(Failures([Failure(Match(RATING, CUSTOMER), "a", "TypeError", "\ud800")]), id="half a pair"),
        pytest.param(Failures(), id="no failures"),
    ],
)
def test_a_batch_is_what_it_was_in_another_process(
    batch: Batch[object], copied: Callable[[Batch[object]], Batch[object]]
) -> None:
    found = copied(batch)
    assert found == batch
    assert type(found) is type(batch)
    assert [type(record) for record in found] == [type(record) for record in batch]
    assert [type(one.record) for one in found if isinstance(one, Failure)] == [
        type(one.record) for one in batch if isinstance(one, Failure)
    ]


def test_structs_travel_as_messagepack() -> None:
    ratings = [Rating(number, number) for number in range(1000)]
    assert len(pickle.dumps(Batch(ratings))) < len(msgspec.msgpack.encode(ratings)) + 200


def test_a_marker_travels_too() -> None:
    assert pickle.loads(pickle.dumps(Loaded(3, 16))) == Loaded(3, 16)
