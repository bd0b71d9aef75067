"""The smallest sink keeps the contract, and its flow runs."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bytewax.testing import run_main

from examples.jsonl_folder import JsonLinesFolder, Rejected, flow
from tests.contracts.sink import LANES, Destination, SinkContract


class Folder(Destination):
    metrics = ("jsonl_folder_records_total",)

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._folder, self._monkeypatch = folder, monkeypatch

    def sink(self) -> JsonLinesFolder:
        return JsonLinesFolder(lanes=len(LANES), folder=self._folder, reject=self._reject)

    def _reject(self, rejected: Rejected) -> None:
        self.rejected += [record["number"] for record, _ in rejected]

    def record(self, number: int) -> Any:
        return {"number": number}

    def refused(self, number: int) -> Any:
        return {"number": number, "what": object()}

    def written(self) -> Iterator[int]:
        for path in self._folder.glob("*.jsonl"):
            yield from (json.loads(line)["number"] for line in path.read_bytes().splitlines())

    def breaks(self) -> None:
        def disk_is_full(_file: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self._monkeypatch.setattr(os, "fsync", disk_is_full)

    def mends(self) -> None:
        self._monkeypatch.undo()


class TestJsonLinesFolder(SinkContract):
    @pytest.fixture
    def destination(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
        return Folder(tmp_path, monkeypatch)


def test_the_flow_runs(tmp_path: Path) -> None:
    run_main(flow(str(tmp_path)))
    lines = [line for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert sorted(lines) == ["25.7", "70.7", "71.6"]
