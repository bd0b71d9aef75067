"""The work of a contestant of the Elasticsearch comparison; every contestant imports this, see ``harness.work``."""

from dataclasses import dataclass

from benchmarks.harness import work

INDEX = "ratings-enriched"
"""The project's index template is for this index, and for every index whose name goes on with `-00`."""


@dataclass(frozen=True)
class Work(work.Work):
    """Index an enriched rating of each rating as the document of its number in `index`, which is empty."""

    url: str
    index: str
