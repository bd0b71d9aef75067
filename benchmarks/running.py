"""A contestant's processes: what they are told by the environment, their start and their end."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.backlog import CUSTOMERS, RATINGS
from benchmarks.contestants import Command
from benchmarks.outputs import Outputs
from servers.java import ROOT
from servers.kafka import Kafka

STOP_SECONDS = 30.0


def environment(
    kafka: Kafka, group: str, outputs: Outputs, ratings: str = RATINGS, customers: str = CUSTOMERS
) -> dict[str, str]:
    """The settings of all contestants; the branches are off, whatever the shell has."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_GROUP_ID": group,
        "RATINGS_TOPIC": ratings,
        "CUSTOMERS_TOPIC": customers,
        "ENRICHED_TOPIC": outputs.enriched,
        "ALERTS_TOPIC": outputs.alerts,
        "DEAD_LETTERS_TOPIC": outputs.dead_letters,
        "ELASTICSEARCH_URL": "",
        "S3_BUCKET": "",
    }


@contextmanager
def running(commands: Sequence[Command], env: Mapping[str, str], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run `commands`; at the end, stop them by SIGTERM, and see that each exits with 0.

    Raises:
        RuntimeError: anything went wrong until then; the message has the end of `log`, which has their output.
    """
    processes: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as file:
        try:
            for command in commands:
                processes.append(  # noqa: PERF401  # those started so far are ended if the next one fails
                    subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}, stdout=file, stderr=file)
                )
            yield processes
            for process in processes:
                process.send_signal(signal.SIGTERM)
            codes = [process.wait(STOP_SECONDS) for process in processes]
        except Exception as error:
            raise RuntimeError(f"{commands[0]}: {error}; it printed:\n{_tail(log)}") from error
        finally:
            for process in processes:
                process.kill()
                process.wait()
    if any(codes):
        raise RuntimeError(f"{commands[0]} ended with {codes}; it printed:\n{_tail(log)}")


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
