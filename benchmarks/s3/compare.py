"""The S3 comparison, all of it."""

import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness.data import Data
from benchmarks.harness.results import RESULTS
from benchmarks.s3 import branch, sinks
from servers.s3 import S3


def compare(options: Namespace) -> dict[str, Any]:
    """Compare the sinks, measure what the branch costs; print and return the numbers."""
    rows = Data(options.seed, options.rows, customers=max(options.rows // 10, 1))
    backlog = Data(options.seed, options.backlog, customers=max(options.backlog // 10, 1))
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder, S3(Path(folder) / "s3") as server:
        return {
            "sinks": sinks.compare(server, Path(folder), rows, options.rounds),
            "branch": branch.compare(server, backlog, options.rounds),
        }
