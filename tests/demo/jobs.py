"""Dataflows that read and write nothing, for the tests of `Job`: a good one and what can be wrong with one."""

import os
import signal
import time
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
from bytewax.connectors.stdio import StdOutSink
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from prometheus_client import Gauge

_stop_asked = False


def _ask(*_: object) -> None:
    global _stop_asked  # noqa: PLW0603
    _stop_asked = True


class _Idle(StatefulSourcePartition[str, None]):
    def next_batch(self) -> list[str]:
        if _stop_asked:
            raise StopIteration
        return []

    def next_awake(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(milliseconds=50)

    def snapshot(self) -> None:
        return None


class _Source(FixedPartitionedSource[str, None]):
    def list_parts(self) -> list[str]:
        return ["only"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Idle:
        return _Idle()


def _flow() -> Dataflow:
    flow = Dataflow("idle")
    op.output("out", op.input("in", flow, _Source()), StdOutSink())
    return flow


def good() -> Dataflow:
    """Holds 7 ratings, in two steps; ends cleanly on SIGTERM."""
    signal.signal(signal.SIGTERM, _ask)
    held = Gauge("join_held", "Records that wait", ["step"])
    held.labels("one").set(3)
    held.labels("two").set(4)
    return _flow()


def without_metric() -> Dataflow:
    signal.signal(signal.SIGTERM, _ask)
    return _flow()


def dying() -> Dataflow:
    raise RuntimeError("there is no such customer")


def silent() -> Dataflow:
    time.sleep(60)
    return _flow()


def deaf() -> Dataflow:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return _flow()


def killed_by_sigterm() -> Dataflow:
    return _flow()


def telling_its_environment() -> Dataflow:
    print("environment:", sorted(os.environ))
    return good()
