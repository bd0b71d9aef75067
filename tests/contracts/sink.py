"""The behaviour that sinks/README.md promises of every sink. The tests of a sink run it on a ``Destination``."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
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

    def time_passes(self) -> None:  # noqa: B027  # most need nothing
        """So much that what is open by age is closed."""


class Job:
    """Processes with a sink, in a model of Bytewax's rules: epochs, and snapshots that are durable or not."""

    def __init__(self, destination: Destination, store: dict[str, Any], processes: int = 1) -> None:
        self._destination, self._store = destination, store
        self._sinks = [destination.sink() for _ in range(processes)]
        assert store.keys() <= set(self._sinks[0].list_parts()), "Bytewax refuses such a store"
        self._lanes = {
            name: self._sinks[at % processes].build_part("step", name, store.get(name)) for at, name in enumerate(LANES)
        }

    def write(self, numbers: Iterable[int], records: Iterable[Any] = ()) -> None:
        """Give every lane an item: its records, or a tick."""
        batches: dict[str, list[Any]] = {name: [] for name in LANES}
        for number in numbers:
            batches[LANES[number % self._destination.busy_lanes]].append(self._destination.record(number))
        batches[LANES[0]] += records
        for name, batch in batches.items():
            self._lanes[name].write_batch([batch])

    def snapshot(self, *, durable: bool = True) -> dict[str, Any]:
        states = {name: lane.snapshot() for name, lane in self._lanes.items()}
        if durable:
            self._store.update(states)
        return states

    def kill(self) -> None:
        """As a crash: Bytewax closes the lanes, and takes no snapshot."""
        self._destination.killed(self._lanes)
        for lane in self._lanes.values():
            lane.close()

    def finish(self, expected: Iterable[int]) -> None:
        """Tick until a reader sees just these records; then stop."""
        wanted = Counter(expected)
        self.write([])
        self._destination.time_passes()
        deadline = time.monotonic() + 60
        while (seen := Counter(self._destination.written())) != wanted:
            assert not seen - wanted, f"written twice, or not wanted: {sorted(seen - wanted)[:9]}"
            assert time.monotonic() < deadline, f"lost: {sorted(wanted - seen)[:9]}"
            self.write([])
            self.snapshot()
            time.sleep(0.05)
        self.write([])
        self.snapshot()
        self.kill()
        assert Counter(self._destination.written()) == wanted


def value(names: Iterable[str]) -> float:
    """The sum of all samples of these metrics."""
    return sum(sample.value for metric in REGISTRY.collect() for sample in metric.samples if sample.name in names)


class SinkContract:
    """The table. A subclass has a fixture ``destination``."""

    def test_each_record_is_written_once_whatever_is_killed(self, destination: Destination) -> None:
        """Kill the job after every snapshot, in three ways, and change the number of processes with each."""
        store: dict[str, Any] = {}
        durable, size = 0, destination.batch
        for epoch in range(EPOCHS):
            job = Job(destination, store, processes=1 + epoch % 3)
            job.write([])
            job.snapshot()  # no source reads before this one is durable
            job.write(range(durable, durable + size))
            job.snapshot()
            durable += size
            if epoch % 3:
                job.write(range(durable, durable + size))  # and is killed in the middle of the epoch
            if epoch % 3 == 2:
                job.snapshot(durable=False)
            job.kill()
        job = Job(destination, store)
        job.write(range(durable, durable + size))
        job.finish(range(durable + size))

    def test_a_broken_destination_holds_the_flow_back_and_costs_no_record(self, destination: Destination) -> None:
        store: dict[str, Any] = {}
        epochs, failures = list[int](), list[Exception]()
        job = Job(destination, store)
        job.write([])
        job.snapshot()

        def write_all() -> None:
            try:
                for epoch in range(EPOCHS):
                    job.write(range(epoch * destination.batch, (epoch + 1) * destination.batch))
                    job.snapshot()
                    epochs.append(epoch)
            except Exception as error:
                failures.append(error)

        destination.breaks()
        flow = threading.Thread(target=write_all)
        flow.start()
        flow.join(1.5)
        taken = len(epochs)
        destination.mends()
        flow.join(60)
        assert not flow.is_alive()
        assert taken < EPOCHS, "it takes records without a bound"
        if failures:  # which is as good: the epoch is read again
            job.kill()
            job = Job(destination, store)
            job.write(range(len(epochs) * destination.batch, EPOCHS * destination.batch))
        job.finish(range(EPOCHS * destination.batch))

    def test_a_job_stops_though_the_destination_is_broken(self, destination: Destination) -> None:
        """With all its records in the last snapshot, or with an error, after which they are read again."""
        store: dict[str, Any] = {}
        job, durable = Job(destination, store), 0
        job.write([])
        job.snapshot()
        destination.breaks()
        destination.stopping.set()
        began = time.monotonic()
        with suppress(Exception):
            job.write(range(EPOCHS * destination.batch))
            job.snapshot()
            durable = EPOCHS * destination.batch
        assert time.monotonic() - began < 20
        job.kill()
        destination.stopping.clear()
        destination.mends()
        job = Job(destination, store)
        job.write([])
        job.snapshot()
        job.write(range(durable, EPOCHS * destination.batch))
        job.finish(range(EPOCHS * destination.batch))

    def test_a_refused_record_is_rejected_alone_and_all_are_accounted_for(self, destination: Destination) -> None:
        store: dict[str, Any] = {}
        before, waiting = value(destination.metrics), value(destination.buffered)
        job = Job(destination, store)
        job.write(range(1, 10), [destination.refused(0)])
        job.snapshot()
        job.write(range(10, 20))
        job.finish(range(1, 20))
        assert destination.rejected == [0]
        assert value(destination.metrics) - before == 20
        assert value(destination.buffered) == waiting

    def test_idle_lanes_cost_nothing(self, destination: Destination) -> None:
        store: dict[str, Any] = {}
        for _ in range(2):
            job = Job(destination, store)
            took, states = [], []
            for _ in range(20):
                began = time.monotonic()
                job.write([])
                states.append(job.snapshot())
                took.append(time.monotonic() - began)
            assert states[-1] == states[-5], "a state that grows"
            assert all(state is None or len(state) < 500 for state in states[-1].values())
            assert sorted(took)[10] < 0.02
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
