"""The rival of Quix Streams: its Elasticsearch sink with its default settings, on batches that are ready."""

from quixstreams.sinks import SinkBatch  # type: ignore[import-not-found]  # it has an environment of its own
from quixstreams.sinks.community.elasticsearch import ElasticsearchSink  # type: ignore[import-not-found]

from benchmarks.elasticsearch.work import Work
from benchmarks.harness.data import document
from benchmarks.harness.work import PARTITIONS, timed


def main() -> None:
    work = Work.from_command_line()
    batches = [SinkBatch("ratings", partition) for partition in range(PARTITIONS)]
    for rating in work.ratings():
        # Its document id is the message's key.
        batches[rating["source_partition"]].append(
            value=document(rating),
            key=str(rating["rating_id"]),
            timestamp=rating["rating_ts"],
            headers=(),
            offset=rating["source_offset"],
        )
    sink = ElasticsearchSink(work.url, work.index, request_timeout=60)
    sink.setup()

    def index_all() -> None:
        for batch in batches:
            sink.write(batch)

    timed(index_all)


if __name__ == "__main__":
    main()
