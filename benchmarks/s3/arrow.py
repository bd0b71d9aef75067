"""The yardstick: pyarrow on one core writes the same rows into a local Parquet file, from dictionaries."""

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.work import timed
from benchmarks.s3.work import Work
from dataflows.archive import SCHEMA


def main() -> None:
    work = Work.from_command_line()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    rows = list(work.ratings())

    def write_all() -> None:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), work.file, compression="zstd")

    timed(write_all, write_all)


if __name__ == "__main__":
    main()
