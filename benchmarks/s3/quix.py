"""The rival of Quix Streams: its S3 sink in the format named, on batches that are ready; one object a partition."""

import sys
from functools import partial

from quixstreams.sinks import SinkBatch  # type: ignore[import-not-found]  # it has an environment of its own
from quixstreams.sinks.community.file.formats import JSONFormat  # type: ignore[import-not-found]
from quixstreams.sinks.community.file.s3 import S3FileSink  # type: ignore[import-not-found]

from benchmarks.harness.work import PARTITIONS, timed
from benchmarks.s3.work import Work


def main() -> None:
    work = Work.from_command_line()
    form = JSONFormat(compress=True) if sys.argv[2] == "json.gz" else sys.argv[2]
    batches = [SinkBatch("ratings", partition) for partition in range(PARTITIONS)]
    for rating in work.ratings():
        batches[rating["source_partition"]].append(
            value=rating,
            key=b"%d" % rating["user_id"],
            timestamp=rating["rating_ts"],
            headers=(),
            offset=rating["source_offset"],
        )
    sinks = {bucket: S3FileSink(bucket, format=form) for bucket in (work.practice, work.bucket)}
    for sink in sinks.values():
        sink.setup()

    def write_all(bucket: str) -> None:
        for batch in batches:
            sinks[bucket].write(batch)

    timed(partial(write_all, work.bucket), partial(write_all, work.practice))


if __name__ == "__main__":
    main()
