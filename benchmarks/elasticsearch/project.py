"""The project's sink as the main job runs it: a lane for each key group, a snapshot each second."""

import time
from collections.abc import Iterator
from itertools import islice

from benchmarks.elasticsearch.work import INDEX, Work
from benchmarks.harness.work import timed
from dataflows.search import templates, to_document
from operators.batch import KEY_GROUPS, Batch
from records.enriched import Encoded, EnrichedRating, encode
from settings import Search
from sinks.elasticsearch import Cluster, ElasticsearchSink, Rejected
from sinks.elasticsearch.state import LaneState
from sinks.state import decode

POLL = 4_000
SNAPSHOT_SECONDS = 1.0


def batches(work: Work) -> Iterator[tuple[int, Batch[Encoded]]]:
    """The ratings as they come out of the join, encoded for Kafka: of each poll a batch for each key group."""
    ratings = work.ratings()
    while poll := list(islice(ratings, POLL)):
        groups: list[Batch[Encoded]] = [Batch() for _ in KEY_GROUPS]
        for rating in poll:
            groups[rating["user_id"] % len(groups)].append(encode(EnrichedRating(**rating)))
        yield from enumerate(groups)


def sink(url: str) -> ElasticsearchSink:
    """The sink as it is with a recovery store."""
    return ElasticsearchSink(
        Cluster((url,)),
        reject=fail,
        templates=templates(Search(index=INDEX)),
        keep_unanswered=True,
        lanes=len(KEY_GROUPS),
    )


def fail(rejected: list[Rejected]) -> None:
    raise RuntimeError(f"{len(rejected)} documents were rejected, the first: {rejected[0]}")


def main() -> None:
    work = Work.from_command_line()
    output = sink(work.url)
    lanes = [output.build_part("search", part, None) for part in output.list_parts()]
    document = to_document(Search(), work.index)
    handed_over = list(batches(work))

    def snapshot() -> bool:
        """Take one of every lane; whether something is not answered yet."""
        snapshots = [lane.snapshot() for lane in lanes]
        return any(decode(LaneState, state).chunks for state in snapshots)

    def index_all() -> None:
        due = time.monotonic() + SNAPSHOT_SECONDS
        for lane, records in handed_over:
            lanes[lane].write_batch([Batch(map(document, records))])
            if time.monotonic() > due:
                snapshot()
                due = time.monotonic() + SNAPSHOT_SECONDS
        while snapshot():
            time.sleep(0.01)

    timed(index_all)
    for lane in lanes:
        lane.close()


if __name__ == "__main__":
    main()
