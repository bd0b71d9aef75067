"""Run the benchmarks: `python -m benchmarks --help`."""

import argparse
import signal
import sys
from collections.abc import Callable

from benchmarks import day, epochs, intake, latency, notify, page, partitions, rules, start, statistics
from benchmarks import kafka as on_kafka
from benchmarks.avro import compare as avro
from benchmarks.elasticsearch import compare as to_elasticsearch
from benchmarks.harness.results import RESULTS, write
from benchmarks.s3 import compare as to_s3
from servers import chromium, elasticsearch, kafka, s3

COMPARISONS = {
    "kafka": on_kafka.compare,
    "latency": latency.compare,
    "notify": notify.compare,
    "epochs": epochs.compare,
    "elasticsearch": to_elasticsearch.compare,
    "s3": to_s3.compare,
    "avro": avro.compare,
    "start": start.compare,
    "intake": intake.compare,
    "partitions": partitions.compare,
    "rules": rules.compare,
    "statistics": statistics.compare,
    "page": page.compare,
    "day": day.compare,
}

NEEDS: dict[str, tuple[Callable[[], str | None], ...]] = {
    "elasticsearch": (kafka.unavailable, elasticsearch.unavailable),
    "s3": (kafka.unavailable, s3.unavailable),
    "day": (chromium.unavailable,),
    **dict.fromkeys(("epochs", "rules", "page"), ()),
}
"""What a comparison needs; the others need a Kafka. Each says why it cannot run here."""


def main() -> str | None:
    """Measure, print the tables, write them to files; the reason why not ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="the project and its rivals")
    parser.add_argument("comparison", nargs="?", choices=[*COMPARISONS, "all"], default="all", help="%(default)s")
    parser.add_argument(
        "--ratings", type=int, default=1_000_000, help="kafka, statistics, partitions, avro: the backlog (%(default)s)"
    )
    parser.add_argument(
        "--customers",
        type=int,
        default=100_000,
        help="kafka, statistics, partitions, latency, notify, avro: all known (%(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="kafka, latency, statistics: of the project, as a cluster (%(default)s)",
    )
    parser.add_argument("--documents", type=int, default=200_000, help="elasticsearch: of one run (%(default)s)")
    parser.add_argument("--rows", type=int, default=300_000, help="s3: of one run (%(default)s)")
    parser.add_argument("--backlog", type=int, default=200_000, help="s3: ratings for the main job (%(default)s)")
    parser.add_argument("--decoded", type=int, default=200_000, help="avro: alone, each way (%(default)s)")
    parser.add_argument("--table", type=int, default=1_000_000, help="start: customers on the topic (%(default)s)")
    parser.add_argument("--posted", type=int, default=200_000, help="intake: ratings of one run (%(default)s)")
    parser.add_argument("--partitions", type=int, default=64, help="partitions: the many (%(default)s)")
    parser.add_argument("--rate", type=int, default=2_000, help="latency: ratings a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=300, help="latency, notify: of each load (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the data (%(default)s)")
    options = parser.parse_args()
    chosen = list(COMPARISONS) if options.comparison == "all" else [options.comparison]
    needs = [unavailable for name in chosen for unavailable in NEEDS.get(name, (kafka.unavailable,))]
    for reason in (unavailable() for unavailable in dict.fromkeys(needs)):
        if reason is not None:
            return reason
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    RESULTS.mkdir(exist_ok=True)
    for name in chosen:
        numbers = COMPARISONS[name](options)
        print(f"written to {write(name, vars(options), numbers)}", flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
