"""The behaviour that sinks/README.md promises of every sink. The tests of a sink run it on a ``Destination``."""

import logging
import math
import statistics
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest
from bytewax.outputs import FixedPartitionedSink
from prometheus_client import REGISTRY

from sinks.state import StateError

LANES = [f"{lane:04d}" for lane in range(4)]
EPOCHS = 8


class Destination(ABC):
    """What a sink writes to. Records are made of numbers, and are read back as these."""

    batch = 40
    """Records of an epoch."""
    lanes: Sequence[str] = LANES
    busy_lanes = len(LANES)
    """Lanes with records; the others have ticks only."""
    metrics: tuple[str, ...] = ()
    """Counters that count each record once, rejected ones included, when it is written."""
    buffered: tuple[str, ...] = ()
    """Gauges of what waits."""

    def __init__(self) -> None:
        self.rejected: list[int] = []
        self.stopping = threading.Event()

    @abstractmethod
    def sink(self) -> FixedPartitionedSink[Any, Any]:
        """The sink of a new process; it rejects to ``rejected``, and stops when ``stopping``."""

    @abstractmethod
    def record(self, number: int) -> Any:
        """A record that the destination takes."""

    @abstractmethod
    def refused(self, number: int) -> Any:
        """A record that it refuses."""

    @abstractmethod
    def written(self) -> Iterable[int]:
        """The numbers of all records that a reader sees."""

    @abstractmethod
    def breaks(self) -> None:
        """From now on nothing can be written."""

    @abstractmethod
    def mends(self) -> None:
        """All is well again."""

    def killed(self, lanes: dict[str, Any]) -> None:  # noqa: B027  # most need nothing
        """A process is dead: whatever it has sent arrives now or never."""

    def time_passes(self, seconds: float) -> None:  # noqa: B027  # most have no clock
        """Move the sink's clock."""

    def leftovers(self) -> list[Any]:
        """Unfinished pieces that no reader sees."""
        return []


class Killed(Exception):
    """A job is dead."""


class Job:
    """Processes with a sink, in a model of Bytewax's rules: epochs, and snapshots that are durable or not."""

    def __init__(
        self, destination: Destination, store: dict[str, Any], processes: int = 1, calls: float = math.inf
    ) -> None:
        """Resume from the store; raise ``Killed`` in place of the call after so many."""
        self._destination, self._store, self._calls = destination, store, calls
        self._buffered = value(destination.buffered)
        self._sinks = [destination.sink() for _ in range(processes)]
        assert store.keys() <= set(self._sinks[0].list_parts()), "Bytewax refuses such a store"
        self._lanes = {
            name: self._sinks[at % processes].build_part("step", name, store.get(name))
            for at, name in enumerate(destination.lanes)
        }

    def _alive(self) -> None:
        self._calls -= 1
        if self._calls < 0:
            raise Killed

    def epoch(
        self, numbers: Iterable[int] = (), records: Iterable[Any] = (), ticks: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Give lanes records and ticks (all by default), and take their snapshots; all of them are durable at once."""
        batches: dict[str, list[Any]] = {name: [] for name in (self._destination.lanes if ticks is None else ticks)}
        for number in numbers:
            lane = LANES[number % self._destination.busy_lanes]
            batches.setdefault(lane, []).append(self._destination.record(number))
        batches.setdefault(LANES[0], []).extend(records)
        for name, batch in batches.items():
            self._alive()
            self._lanes[name].write_batch([batch])
        states = {}
        for name in batches:
            self._alive()
            states[name] = self._lanes[name].snapshot()
        self._alive()
        self._store.update(states)
        return states

    def kill(self) -> None:
        """As a crash: Bytewax closes the lanes, and takes no snapshot."""
        self._destination.killed(self._lanes)
        for lane in self._lanes.values():
            lane.close()

    def finish(self, expected: Iterable[int], rejected: int = 0) -> None:
        """Tick until a reader sees just these records, as many are rejected, and nothing waits; then stop.

        A reader may see records before their sender has the answer.
        """
        wanted, deadline = Counter(expected), time.monotonic() + 60
        self._destination.time_passes(300)
        while (seen := Counter(self._destination.written())) != wanted:
            assert not seen - wanted, f"written twice, or not wanted: {sorted(seen - wanted)[:9]}"
            assert time.monotonic() < deadline, f"lost: {sorted(wanted - seen)[:9]}"
            self.epoch()
            time.sleep(0.05)
        while (
            self._destination.leftovers()
            or len(self._destination.rejected) < rejected
            or value(self._destination.buffered) > self._buffered
        ):
            assert time.monotonic() < deadline
            self.epoch()
        self.epoch()
        self.kill()
        assert Counter(self._destination.written()) == wanted


def value(names: Iterable[str]) -> float:
    """The sum of all samples of these metrics."""
    return sum(sample.value for metric in REGISTRY.collect() for sample in metric.samples if sample.name in names)


@pytest.mark.timeout(120)
class SinkContract:
    """The table. A subclass has a fixture ``destination``."""

    @pytest.mark.parametrize("seed", range(2))
    def test_each_record_is_written_once_whatever_is_killed(self, destination: Destination, seed: int) -> None:
        """Kill the job before any of its calls, and change the number of processes with each."""
        chance, store = Random(seed), dict[str, Any]()
        durable, kills, lanes = 0, 0, len(destination.lanes)
        while durable < EPOCHS * destination.batch:
            job = Job(destination, store, processes=chance.randrange(1, 4), calls=chance.randrange(50))
            with suppress(Killed):
                job.epoch()  # no source reads before this one is durable
                while durable < EPOCHS * destination.batch:
                    until = durable + chance.choice([0, 1, destination.batch // 7, destination.batch])
                    until = min(until, EPOCHS * destination.batch)
                    job.epoch(
                        range(durable, until), ticks=chance.sample(destination.lanes, chance.randrange(lanes + 1))
                    )
                    durable = until
                    destination.time_passes(chance.choice([0, 1, 9]))
                kills -= 1
            kills += 1
            job.kill()
        Job(destination, store).finish(range(durable))
        assert kills

    def test_a_broken_destination_holds_the_flow_back_and_costs_no_record(self, destination: Destination) -> None:
        """Or the epoch fails, and is read again."""
        store, epochs, size = dict[str, Any](), list[int](), destination.batch
        job = Job(destination, store)
        job.epoch()

        def write_all() -> None:
            with suppress(Exception):
                for epoch in range(EPOCHS):
                    job.epoch(range(epoch * size, (epoch + 1) * size))
                    epochs.append(epoch)
                    time.sleep(0.1)  # an epoch of a flow takes longer: threads beside it have their turn

        destination.breaks()
        flow = threading.Thread(target=write_all, daemon=True)
        flow.start()
        flow.join(1.5)
        assert len(epochs) < EPOCHS, "it takes records without a bound"
        destination.mends()
        flow.join(60)
        assert not flow.is_alive()
        if len(epochs) < EPOCHS:
            job.kill()
            job = Job(destination, store)
            job.epoch(range(len(epochs) * size, EPOCHS * size))
        job.finish(range(EPOCHS * size))

    def test_a_job_stops_though_the_destination_is_broken(self, destination: Destination) -> None:
        """With all its records in the last snapshot, or with an error, after which they are read again."""
        store, durable, total = dict[str, Any](), 0, EPOCHS * destination.batch
        job = Job(destination, store)
        job.epoch()
        destination.breaks()
        destination.stopping.set()
        began = time.monotonic()
        with suppress(Exception):
            job.epoch(range(total))
            durable = total
        assert time.monotonic() - began < 20
        job.kill()
        destination.stopping.clear()
        destination.mends()
        job = Job(destination, store)
        job.epoch()
        job.epoch(range(durable, total))
        job.finish(range(total))

    def test_a_refused_record_is_rejected_alone_and_all_are_accounted_for(self, destination: Destination) -> None:
        before, waiting = value(destination.metrics), value(destination.buffered)
        job = Job(destination, {})
        job.epoch(range(1, 10), [destination.refused(0)])
        job.epoch(range(10, 20))
        job.finish(range(1, 20), rejected=1)
        assert destination.rejected == [0]
        assert value(destination.metrics) - before == 20
        assert value(destination.buffered) == waiting

    def test_idle_lanes_cost_nothing(self, destination: Destination) -> None:
        store: dict[str, Any] = {}
        for _ in range(2):
            job = Job(destination, store)
            took, states = list[float](), list[dict[str, Any]]()
            settled = time.monotonic() + 10  # a destination may tell something late, such as its id
            while len(states) < 20 or (states[-1] != states[-5] and time.monotonic() < settled):
                began = time.monotonic()
                states.append(job.epoch())
                took.append(time.monotonic() - began)
            assert states[-1] == states[-5], "a state that grows"
            assert all(state is None or len(state) < 500 for state in states[-1].values())
            assert statistics.median(took) < 0.02
            job.kill()
        assert list(destination.written()) == []

    @pytest.mark.parametrize(
        ("state", "form"),
        [
            ((1, "pickled", "before there were versions"), "an unknown form"),
            ({"version": 2}, "an unknown form"),
            (b"\xc1", "an unknown form"),
            (msgspec.msgpack.encode([1]), "an unknown form"),
            (msgspec.msgpack.encode({"form": "sinks.other.v1"}), "sinks.other.v1"),
        ],
        ids=["a tuple", "a dictionary", "no MessagePack", "a list", "another sink's"],
    )
    def test_a_state_of_another_form_is_refused_in_a_line(
        self, destination: Destination, state: Any, form: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(StateError, match=f"a state of {form}, and .* reads only .*: run the version that wrote it"):
            destination.sink().build_part("step", "0000", state)
        (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "\n" not in line.getMessage()
        assert not line.exc_info
