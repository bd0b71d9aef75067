"""What a contestant of the comparison of sinks is given to do, and how it is timed.

Every contestant imports this, Quix in an environment without the project's packages too.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from typing_extensions import Self

from benchmarks.data import Data, enriched
from benchmarks.memory import keep_memory

PARTITIONS = 4


@dataclass(frozen=True)
class Work:
    """Write an enriched rating of each rating of `data` into `bucket` or into the file `file`; both are empty.

    Before, the same into the empty bucket `practice`, or into the file, too.
    """

    bucket: str
    practice: str
    file: str
    data: Data

    def argument(self) -> str:
        """The work as the argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_command_line(cls) -> Self:
        """The work that the process was started with."""
        work = json.loads(sys.argv[1])
        return cls(work["bucket"], work["practice"], work["file"], Data(**work["data"]))

    def ratings(self) -> Iterator[dict[str, Any]]:
        """All enriched ratings, by their number."""
        return map(self.rating, range(self.data.ratings))

    def rating(self, number: int) -> dict[str, Any]:
        """An enriched rating, as if the ratings lay on PARTITIONS partitions in turn."""
        rating = self.data.rating(number)
        offset, partition = divmod(number, PARTITIONS)
        return enriched(rating, self.data.known(rating["user_id"]), partition, offset)


def timed(work: Work, write_all: Callable[[str], dict[str, float] | None]) -> None:
    """Let it write all into a bucket, and print what that took, wall clock and CPU of all threads, and what it returns.

    It does so twice, and the second time counts: the first finds no memory, no connection and no code that was used
    before, as no process does that runs for long. What exists before is not looked at by the garbage collector: to
    have all records ready is the benchmark's way.
    """
    keep_memory()
    write_all(work.practice)
    began, cpu = time.perf_counter(), time.process_time()
    more = write_all(work.bucket)
    took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**took, **(more or {})}))
