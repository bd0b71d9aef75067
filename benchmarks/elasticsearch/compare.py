"""The Elasticsearch comparison, all of it."""

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.elasticsearch import branch, sinks, snapshot
from benchmarks.harness.data import Data
from benchmarks.harness.results import RESULTS
from servers.elasticsearch import Elasticsearch


def compare(options: Namespace) -> dict[str, Any]:
    """Compare the sinks, time snapshots, measure what the branch costs; print and return the numbers."""
    data = Data(options.seed, options.documents, customers=max(options.documents // 10, 1))
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder, Elasticsearch(Path(folder), full_speed=True) as server:
        return {
            "sinks": sinks.compare(server, data, options.rounds),
            "snapshot": snapshot.measure(options.seed),
            "branch": branch.compare(server, data, options.rounds),
        }
