"""Write generated ratings to a Kafka: keys are the rating's id, ranges those of kafka-connect-datagen's ratings.

Brokers, credentials, topic and schema registry come from the environment, as those of the main job do. The last line of
stdout is the account; the exit code is 0 if every rating written was delivered, also after Ctrl-C.
"""

import argparse
import logging
import math
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from confluent_kafka import KafkaException

from dataflows.wiring.errors import StartupError, starting
from demo.feed import Pace
from demo.generate import avro, registry
from demo.generate.progress import Progress
from demo.generate.ratings import JSON, USERS, Ratings
from demo.generate.writer import Writer
from demo.stop import stop_signals
from settings import Settings, SettingsError
from sources.kafka.topics import Topics

_TURN_SECONDS = 0.02
"""From one look at what is due to the next, so that thousands a second do not come in bursts."""
_TURN_RATINGS = 20_000
"""A turn writes no more: a rate that cannot be kept is not made up for."""
_UNLIMITED_TURN_RATINGS = 2_000

_BACKPRESSURE_SECONDS = 0.1
_DELIVERY_SECONDS = 35.0
"""So long may the last ratings take: longer than the producer tries, unless it is told to."""
_STOP_SECONDS = 10.0
"""So long after Ctrl-C."""

_USERS = re.compile(r"(-?\d+)\.\.(-?\d+)")
_INT = range(-(2**31), 2**31)
"""Avro's, of which the user's id is one."""
_COUNTED = range(1, 2**53)
"""What JSON's readers in every language can count."""


def main() -> int:
    """Write until told to stop, print the account, and give the exit code."""
    options = _options()
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # of waiting for Kafka
    try:
        with stop_signals() as stop:
            return _run(options, stop)
    except (SettingsError, StartupError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped at once", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, stop: Callable[[], bool]) -> int:
    settings = Settings.load()
    properties = settings.properties | ({"bootstrap.servers": options.bootstrap} if options.bootstrap else {})
    topic = options.topic or settings.topics.ratings
    schemas = registry.connect(settings.registry) if options.format == "avro" else None
    writer = _connect(topic, properties, settings.kafka.startup_timeout, stop)
    form = JSON if schemas is None else avro.form(registry.register(schemas, topic))
    ratings = Ratings(
        options.seed,
        form=form,
        users=options.users,
        first_id=options.first_id,
        malformed_every=options.malformed,
        datagen_times=options.time == "datagen",
    )
    began = time.monotonic()
    trouble = _write(ratings, options, writer, stop)
    seconds = time.monotonic() - began
    if writer.failed:
        print(f"{writer.failed} ratings were not delivered: {writer.why}", file=sys.stderr)
    if trouble:
        print(trouble, file=sys.stderr)
    rate = writer.delivered / seconds
    print(f"ratings {writer.delivered} failed {writer.failed} seconds {seconds:.1f} rate {rate:.0f}")
    return 1 if writer.failed or trouble else 0


def _connect(topic: str, properties: dict[str, Any], deadline: float, stop: Callable[[], bool]) -> Writer:
    with starting(properties):
        writer = Writer(topic, properties)
        with suppress(SystemExit):  # told to stop: then nothing is written, and the account says so
            Topics({**properties, "log_level": 0}, deadline, stop)
    writer.await_topic(stop)
    return writer


def _write(ratings: Ratings, options: argparse.Namespace, writer: Writer, stop: Callable[[], bool]) -> str:
    """Write ratings and wait for them; then none is on its way. Give the reason if it ended too early."""
    progress = Progress(writer)
    try:
        _produce(ratings, options.count, options.rate, writer, progress, stop)
        _settle(writer, progress, stop)
    except KafkaException as error:
        return f"the producer cannot go on: {error.args[0].str()}"
    except KeyboardInterrupt:
        return "stopped at once, without waiting for what was under way"
    finally:
        progress.clear()
        writer.give_up()
    return ""


def _produce(
    ratings: Ratings, count: float, rate: float, writer: Writer, progress: Progress, stop: Callable[[], bool]
) -> None:
    pace = Pace(rate) if rate else None
    while count and not stop():
        turn_ends = time.monotonic() + _TURN_SECONDS
        due = int(min(pace.due() if pace else _UNLIMITED_TURN_RATINGS, _TURN_RATINGS, count))
        for rating in islice(ratings, due):
            while not writer.write(rating):
                if stop():
                    return
                writer.poll(_BACKPRESSURE_SECONDS)
                progress.show()
        count -= due
        writer.poll()
        progress.show()
        if pace and count:
            time.sleep(max(0.0, turn_ends - time.monotonic()))


def _settle(writer: Writer, progress: Progress, stop: Callable[[], bool]) -> None:
    """Wait for what is on its way, as long as it may take."""
    began = time.monotonic()
    while writer.queued and time.monotonic() - began < (_STOP_SECONDS if stop() else _DELIVERY_SECONDS):
        writer.flush(_BACKPRESSURE_SECONDS)
        progress.show()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.generate", description=__doc__)
    add = parser.add_argument
    add("--bootstrap", metavar="HOST:PORT", help="brokers (default: KAFKA_BOOTSTRAP_SERVERS, else localhost:9092)")
    add("--topic", help="(default: RATINGS_TOPIC, else ratings)")
    add("--rate", type=_rate, default=50.0, metavar="N", help="a second; 0: as fast as it goes (default: 50)")
    add("--count", type=_positive, default=math.inf, metavar="N", help="end by itself after so many")
    add("--seed", type=int, default=0, metavar="S", help="the same gives the same ratings (default: 0)")
    add("--format", choices=("json", "avro"), default="json", help="of values (default: json)")
    add(
        "--time",
        choices=("epoch", "datagen"),
        default="epoch",
        help="rating_time: milliseconds of now, or 1, 13, 25 ... as kafka-connect-datagen gives it (default: epoch)",
    )
    add("--malformed", type=_positive, metavar="N", help="one in N is malformed (default: none)")
    add("--users", type=_users, default=USERS, metavar="LOW..HIGH", help="who rates (default: --users=-1..19)")
    add("--first-id", type=_positive, default=1, metavar="N", help="the first rating_id (default: 1)")
    return parser.parse_args()


def _rate(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number not in _COUNTED:
        raise ValueError
    return number


def _users(text: str) -> range:
    bounds = _USERS.fullmatch(text)
    if bounds is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not LOW..HIGH")
    low, high = int(bounds[1]), int(bounds[2])
    if low > high or low not in _INT or high not in _INT:
        raise argparse.ArgumentTypeError(f"{text!r} must go up, within 32 bits")
    return range(low, high + 1)


if __name__ == "__main__":
    sys.exit(main())
