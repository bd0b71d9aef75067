"""The work of a contestant of the S3 comparison; every contestant imports this, see ``harness.work``."""

from dataclasses import dataclass

from benchmarks.harness import work


@dataclass(frozen=True)
class Work(work.Work):
    """Write an enriched rating of each rating into `bucket` or into the file `file`; both are empty.

    Before, the same into the empty bucket `practice`, or into the file, too.
    """

    bucket: str
    practice: str
    file: str
