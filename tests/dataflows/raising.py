"""A flow whose last process raises: ``RAISES`` names the step, if there is one."""

import os
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink

from dataflows.process import launch, stopping
from dataflows.start import start
from settings import Settings

KEYS = [str(key) for key in range(16)]


class _Keys(DynamicSource[str]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[str]:
        return _Endless()


class _Endless(StatelessSourcePartition[str]):
    def next_batch(self) -> list[str]:
        if stopping():
            raise StopIteration
        return KEYS


class _Logic(StatefulBatchLogic[str, str, None]):
    def on_batch(self, values: list[str]) -> tuple[list[str], bool]:
        _raise("stateful")
        return values, False

    def snapshot(self) -> None:
        return None


def _raise(where: str) -> None:
    here = launch()
    if os.environ["RAISES"] == where and here.process == here.processes - 1:
        raise ValueError("the cause")


def _mapped(key: str) -> tuple[str, str]:
    _raise("map")
    return key, key


def _is_chosen(_item: tuple[str, str]) -> bool:
    _raise("branch")
    return True


def build(_settings: Settings) -> Dataflow:
    flow = Dataflow("raising")
    mapped = op.map("map", op.input("keys", flow, _Keys()), _mapped)
    chosen = op.branch("branch", mapped, _is_chosen).trues
    op.output("out", op.stateful_batch("stateful", chosen, lambda _: _Logic()), TestingSink[Any]([]))
    return flow


def __getattr__(name: str) -> Dataflow:
    if name != "flow":
        raise AttributeError(name)
    return start("raising", build)
