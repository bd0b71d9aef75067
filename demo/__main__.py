"""``python -m demo [--for SECONDS] [--rate RATINGS] [--processes N]``: main job and notifier on an embedded Kafka.

The last line of stdout is the account; the exit code is 0 only where everything in it agrees.
"""

import argparse
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from demo.branches import Branches
from demo.run import run
from demo.stop import stop_signals
from demo.telling import Slack
from demo.topics import PARTITIONS
from demo.view import open_view
from operators.batch import KEY_GROUPS
from servers.embedded.kafka import EmbeddedKafka, LibraryNotFoundError


def main() -> int:
    """Run until told to stop, print the account, and give the exit code."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="ratings-"))
    try:
        with stop_signals() as stop, EmbeddedKafka() as kafka, Branches() as branches, Slack() as slack:
            for topic, partitions in PARTITIONS.items():
                kafka.create_topic(topic, partitions)
            with open_view(kafka.bootstrap) as view:
                outcome = run(
                    kafka.bootstrap,
                    branches,
                    slack,
                    folder,
                    view,
                    processes=options.processes,
                    rate=options.rate,
                    seconds=options.seconds,
                    stop=stop,
                )
    except LibraryNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):  # the latter when whoever reads our lines has gone
        print("stopped at once, without waiting for what was under way", file=sys.stderr)
        shutil.rmtree(folder)
        return 1
    for problem in outcome.problems:
        print(problem, file=sys.stderr)
    if outcome.problems:
        print(f"the job's files are kept in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    print(*(f"{name} {count}" for name, count in outcome.summary.items()))
    return 1 if outcome.problems else 0


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        """Refuse in one line, without the usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def _options() -> argparse.Namespace:
    parser = _Parser(prog="python -m demo", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=_positive, metavar="SECONDS", help="end by itself after so long")
    parser.add_argument("--rate", type=_positive, default=50.0, metavar="RATINGS", help="a second (default: 50)")
    parser.add_argument("--processes", type=_processes, default=1, metavar="N", help="of the job (default: 1)")
    return parser.parse_args()


def _positive(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < float("inf"):
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def _processes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= len(KEY_GROUPS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {len(KEY_GROUPS)}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
