"""How long a snapshot of the sink takes while Elasticsearch is away and the buffer is full."""

import json
import time
from statistics import median
from typing import Any

from benchmarks.elasticsearch.project import batches, sink
from benchmarks.elasticsearch.work import INDEX, Work
from benchmarks.harness.data import Data
from benchmarks.harness.work import Writer
from dataflows.search import to_document
from operators.batch import Batch
from servers.process import free_ports
from settings import Search
from sinks.elasticsearch import Sending
from sinks.elasticsearch.bulk import operation

DOCUMENTS = 250_000
"""More than the buffer holds."""
FOLLOWING = 5


def measure(seed: int) -> dict[str, Any]:
    """Fill a sink's buffer in a process of its own, take snapshots of all lanes, and print how long that took."""
    (port,) = free_ports(1)  # nobody listens there
    work = Work(Data(seed, DOCUMENTS, DOCUMENTS), f"http://127.0.0.1:{port}", INDEX)
    took = Writer("snapshots", __name__).run(work)
    print(
        f"snapshot of {took['bytes'] / 2**20:.0f} MiB of documents without an answer: "
        f"the first {took['first_seconds'] * 1e3:.0f} ms, the following {took['following_seconds'] * 1e3:.2f} ms, "
        f"{took['packed_bytes'] / 2**20:.1f} MiB in the recovery store"
    )
    return took


def main() -> None:
    work = Work.from_command_line()
    output = sink(work.url)
    lanes = [output.build_part("search", part, None) for part in output.list_parts()]
    document = to_document(Search(), work.index)
    size, limit = 0, Sending().max_buffer_bytes
    for lane, records in batches(work):
        if size >= limit:
            break
        documents = Batch(map(document, records))
        lanes[lane].write_batch([documents])
        size += sum(len(operation(one)) for one in documents)
    seconds = []
    for _ in range(1 + FOLLOWING):
        began = time.perf_counter()
        packed = [lane.snapshot() for lane in lanes]
        seconds.append(time.perf_counter() - began)
    first, *following = seconds
    packed_bytes = sum(map(len, packed))
    result = {
        "bytes": size,
        "packed_bytes": packed_bytes,
        "first_seconds": first,
        "following_seconds": median(following),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
