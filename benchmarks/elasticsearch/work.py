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

INDEX = "ratings-enriched"
"""What the project's index template is for, with every index whose name goes on with `-00`."""
PARTITIONS = 4


@dataclass(frozen=True)
class Work:
    """Index an enriched rating of each rating of `data` as the document of its number in `index`, which is empty."""

    url: str
    index: str
    data: Data

    def argument(self) -> str:
        """The work as the argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_command_line(cls) -> Self:
        """The work that the process was started with."""
        work = json.loads(sys.argv[1])
        return cls(work["url"], work["index"], Data(**work["data"]))

    def ratings(self) -> Iterator[dict[str, Any]]:
        """All enriched ratings, by their number."""
        return map(self.rating, range(self.data.ratings))

    def rating(self, number: int) -> dict[str, Any]:
        """An enriched rating, as if the ratings lay on PARTITIONS partitions in turn."""
        rating = self.data.rating(number)
        offset, partition = divmod(number, PARTITIONS)
        return enriched(rating, self.data.known(rating["user_id"]), partition, offset)


def timed(index_all: Callable[[], None]) -> None:
    """Call it and print what it took, wall clock and CPU of all threads: the process's result.

    What exists before is not looked at by the garbage collector: to have all documents ready is the benchmark's way.
    """
    keep_memory()
    began, cpu = time.perf_counter(), time.process_time()
    index_all()
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}))
