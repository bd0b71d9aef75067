"""A contestant's processes: what they are told by the environment, their start and their end."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.backlog import CUSTOMERS, RATINGS
from benchmarks.harness.contestants import Contestant
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.results import RESULTS
from servers.job import Job, JobError
from servers.kafka import Kafka
from servers.topics import Reader


def environment(
    kafka: Kafka, group: str, outputs: Outputs, ratings: str = RATINGS, customers: str = CUSTOMERS
) -> dict[str, str]:
    """The settings of all contestants; the branches are off."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_GROUP_ID": group,
        "RATINGS_TOPIC": ratings,
        "CUSTOMERS_TOPIC": customers,
        "ENRICHED_TOPIC": outputs.enriched,
        "ALERTS_TOPIC": outputs.alerts,
        "DEAD_LETTERS_TOPIC": outputs.dead_letters,
    }


@contextmanager
def broker() -> Iterator[Kafka]:
    """A Kafka at full speed, whose folder is deleted in the end."""
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder, Kafka(Path(folder), full_speed=True) as kafka:
        yield kafka


@contextmanager
def running(kafka: Kafka, contestant: Contestant, env: dict[str, str]) -> Iterator[Job]:
    """Run a contestant; at the end, stop it by SIGTERM, and see that each process exits with 0.

    Raises:
        JobError: anything went wrong until then; the message has the end of its output.
    """
    with (
        tempfile.TemporaryDirectory(dir=kafka.folder) as folder,
        contestant.job(Path(folder), {**env, **contestant.env}) as job,
    ):
        try:
            yield job
        except JobError:
            raise
        except Exception as error:
            raise JobError(f"{contestant.name}: {error}; it printed:\n{job.tail()}") from error
        job.end()


def await_count(kafka: Kafka, topic: str, count: int, job: Job, seconds: float = 90) -> None:
    """Wait until so many messages were ever appended to a topic.

    Raises:
        RuntimeError: the job ended, or did not write them in time.
    """
    deadline = time.monotonic() + seconds
    with Reader(kafka.bootstrap, topic) as reader:
        while (found := sum(reader.ends())) < count:
            job.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{found} of {count} messages are in {topic} after {seconds:.0f} s")
            time.sleep(0.05)
