"""Shows what running flows do, and what stands still: ``python -m dataflows.status``."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from dataflows import process
from dataflows.rules import topics_of
from dataflows.wiring.errors import StartupError, starting
from monitoring.flows import overview
from monitoring.lag import Groups
from monitoring.look import GUESSES, Lookout
from monitoring.model import Overview
from monitoring.text import lines
from settings import Settings, SettingsError
from settings.values import is_address

ABOUT = """\
Show each running flow with its inputs, outputs and branches: messages a second, totals, lag, what waits, what failed.

It reads the metrics on the health pages of the processes, and the consumer groups, with the settings of the job. The
exit code is 0 if all moves or has nothing to do, 1 if something stands still or is missing.
"""

_SECONDS = 2.0
"""Between two looks."""
_CLEAR = "\x1b[H\x1b[2J"


def lookout(settings: Settings, urls: Sequence[str]) -> Lookout:
    """What looks at the flows of the settings.

    Raises:
        StartupError: librdkafka refuses its properties, or the file of rules is not usable.
    """
    names, group = settings.topics, settings.kafka.group_id
    config: dict[str, Any] = {**settings.properties, "logger": logging.getLogger("librdkafka")}
    expected = {group: [names.ratings, names.customers], f"{group}-notify": topics_of(settings)}
    with starting(settings.properties):
        return Lookout(urls or GUESSES, Groups(config), expected, guessed=not urls)


def watch(settings: Settings, urls: Sequence[str], *, forever: bool, as_json: bool) -> Overview:
    """Print what two looks show; go on until SIGINT if ``forever``. Return what the last one showed.

    Raises:
        StartupError: it cannot look.
    """
    looks = lookout(settings, urls)
    before = looks.look()
    while True:
        _rest()
        now = looks.look()
        shown = overview(before, now, settings.status.still)
        if as_json:
            print(msgspec.json.encode(shown).decode(), flush=True)
        else:
            clear = _CLEAR if forever and sys.stdout.isatty() else ""
            print(f"{clear}{os.linesep.join(lines(shown))}", flush=True)
        if not forever or process.stopping():
            return shown
        before = now


def _rest() -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and not process.stopping():
        time.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dataflows.status", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--watch", action="store_true", help="look every two seconds, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print JSON, one line a look")
    parser.add_argument(
        "--url",
        action="append",
        type=_url,
        default=[],
        help="metrics endpoint of a process, as http://host:3031; may be repeated. By default those of STATUS_URLS",
    )
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        process.set_up(settings.log)
        shown = watch(settings, options.url or settings.status.urls, forever=options.watch, as_json=options.json)
    except SettingsError as error:
        _end(str(error))
    except StartupError as error:
        _end(settings.name_files(str(error)))
    except BrokenPipeError:  # whoever read the lines has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 1 if shown.troubles else 0


def _end(line: str) -> NoReturn:
    print(f"status: {line}", file=sys.stderr, flush=True)
    raise SystemExit(2)


def _url(text: str) -> str:
    if not is_address(text):
        raise argparse.ArgumentTypeError("must be http://host:port")
    return text


if __name__ == "__main__":
    sys.exit(main())
