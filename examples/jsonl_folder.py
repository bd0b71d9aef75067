"""A sink that appends JSON lines to files, each record once, and a flow of temperatures that uses it.

Run it: ``mkdir folder; python -m bytewax.run "examples.jsonl_folder:flow('folder')" -r STORE -s 1 -b 0``.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.outputs import StatefulSinkPartition
from bytewax.testing import TestingSource
from prometheus_client import Counter

from sinks.errors import logged
from sinks.lanes import LanedSink
from sinks.state import State, decode, encode

_records = Counter("jsonl_folder_records", "Records that were written or rejected")

Rejected = list[tuple[Any, str]]
"""Records that are no JSON, and why."""


class LaneState(State, frozen=True, tag="examples.jsonl_folder.v1"):
    """The bytes of the lane's file that are durable."""

    length: int


@dataclass(frozen=True)
class JsonLinesFolder(LanedSink[Iterable[Any], bytes]):
    """Appends records to ``folder/LANE.jsonl``. A stream item is ``(lane's key, records)``."""

    folder: Path
    reject: Callable[[Rejected], None]
    """Takes records that cannot be written, and returns when they are safe elsewhere."""

    @logged(__name__)
    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "_Lane":  # noqa: D102
        return _Lane(self, for_part, decode(LaneState, resume_state).length if resume_state is not None else 0)


class _Lane(StatefulSinkPartition[Iterable[Any], bytes]):
    def __init__(self, sink: JsonLinesFolder, name: str, length: int) -> None:
        self._reject = sink.reject
        self._file = (sink.folder / f"{name}.jsonl").open("ab", buffering=0)
        self._file.seek(self._file.truncate(length))  # the records after the snapshot come again

    @logged(__name__)
    def write_batch(self, values: list[Iterable[Any]]) -> None:
        for record in chain.from_iterable(values):
            try:
                self._file.write(msgspec.json.encode(record) + b"\n")
            except (TypeError, ValueError) as error:
                self._reject([(record, str(error))])
            _records.inc()

    @logged(__name__)
    def snapshot(self) -> bytes:
        os.fsync(self._file)
        return encode(LaneState(self._file.tell()))

    def close(self) -> None:
        self._file.close()


def flow(folder: str) -> Dataflow:
    """Temperatures in Fahrenheit, in a folder. Its few readings end, so no lane has to wait for a tick."""
    flow = Dataflow("temperatures")
    celsius = op.input("celsius", flow, TestingSource([("station-7", [21.5, 22.0]), ("station-9", [-3.5])]))
    fahrenheit = op.map_value("fahrenheit", celsius, lambda batch: [32 + 1.8 * one for one in batch])
    op.output("folder", fahrenheit, JsonLinesFolder(lanes=4, folder=Path(folder), reject=print))
    return flow
