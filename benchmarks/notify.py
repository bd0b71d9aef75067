"""From the writing of a rating to its message in Slack: the main job and the notifier under a steady load."""

import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from statistics import quantiles
from typing import Any

import orjson

from benchmarks.harness.backlog import PARTITIONS, customer
from benchmarks.harness.contestants import Contestant, project
from benchmarks.harness.data import Data
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.running import await_count, broker, environment, running
from benchmarks.harness.slack import SlackApart
from benchmarks.harness.usage import cpu_seconds
from benchmarks.harness.verify import WrongOutput
from servers.embedded.slack import CHANNEL, TOKEN
from servers.job import Job
from servers.kafka import Kafka
from servers.topics import Record, count, read, write

RATE = 1_000
_FIRST = 200
"""Ratings that are written before the load, so that both flows have started: some are alerts."""
_LINK = "https://ratings.example/{rating_id}"
_LATE_SECONDS = 30


def compare(options: Namespace) -> dict[str, Any]:
    """Write ratings at a steady rate, tell every alert alone; print and return the milliseconds until each message."""
    with broker() as kafka, SlackApart() as slack:
        return load(kafka, slack, options)


def load(kafka: Kafka, slack: SlackApart, options: Namespace) -> dict[str, Any]:
    """Run both flows.

    Raises:
        RuntimeError: one ended by itself.
        WrongOutput: an alert was not told once.
    """
    run = f"notify-{uuid.uuid4().hex[:8]}"
    data = Data(options.seed, _FIRST + RATE * options.seconds, options.customers)
    customers, ratings = f"customers-{run}", f"ratings-{run}"
    kafka.create_topic(customers, PARTITIONS, cleanup_policy="compact")
    kafka.create_topic(ratings, PARTITIONS)
    write(kafka.bootstrap, customers, (customer(data, number) for number in range(1, data.customers + 1)))
    outputs = Outputs.create(kafka, run)
    env = environment(kafka, run, outputs, ratings, customers)
    with (
        running(kafka, project(), env) as job,
        running(kafka, Contestant("notifier", _notifier, _telling(slack, outputs, run)), env) as notifier,
    ):

        def all_ratings() -> Iterator[Record]:
            for number in range(_FIRST):
                yield Record(b"%d" % number, orjson.dumps(data.rating(number)))
            await_count(kafka, outputs.enriched, _FIRST, job)
            _await_messages(kafka, slack, outputs.alerts, notifier)
            began = time.monotonic()
            for number in range(_FIRST, data.ratings):
                while (early := began + (number - _FIRST) / RATE - time.monotonic()) > 0:
                    time.sleep(min(early, 0.002))
                yield Record(b"%d" % number, orjson.dumps(data.rating(number)))

        before = cpu_seconds(job.pids), cpu_seconds(notifier.pids)
        write(kafka.bootstrap, ratings, all_ratings())
        await_count(kafka, outputs.enriched, data.ratings, job)
        after = cpu_seconds(job.pids), cpu_seconds(notifier.pids)
        used = [later - earlier for later, earlier in zip(after, before, strict=True)]
        job.end()  # its last alerts are written
        _await_messages(kafka, slack, outputs.alerts, notifier)
    to_kafka, latencies = map(sorted, _latencies(kafka, slack, outputs.alerts))
    hundredths = quantiles(latencies, n=100)
    found = {
        "ratings_per_s": RATE,
        "messages": len(latencies),
        "p50_ms": hundredths[49],
        "p99_ms": hundredths[98],
        "max_ms": latencies[-1],
        "alert_p50_ms": quantiles(to_kafka, n=100)[49],
        "alert_p99_ms": quantiles(to_kafka, n=100)[98],
        "job_cpus": used[0] / options.seconds,
        "notifier_cpus": used[1] / options.seconds,
    }
    print(
        f"{RATE:,} ratings/s for {options.seconds} s, {len(latencies):,} messages: p50 {found['p50_ms']:.0f} ms, "
        f"p99 {found['p99_ms']:.0f} ms, max {found['max_ms']:.0f} ms "
        f"(the alert is on Kafka after p50 {found['alert_p50_ms']:.0f} ms, p99 {found['alert_p99_ms']:.0f} ms); "
        f"CPUs of the job {found['job_cpus']:.2f}, of the notifier {found['notifier_cpus']:.2f}",
        flush=True,
    )
    outputs.delete(kafka)
    return found


def _notifier(folder: Any, settings: Any) -> Job:
    return Job(folder, settings, module=("bytewax.run", "dataflows.notify"), recovery=0)


def _telling(slack: SlackApart, outputs: Outputs, run: str) -> dict[str, str]:
    return {
        "BYTEWAX_SNAPSHOT_INTERVAL": "1",
        "SLACK_BOT_TOKEN": TOKEN,
        "SLACK_CHANNEL": CHANNEL,
        "SLACK_API_URL": slack.api_url,
        "NOTIFY_TOPICS": outputs.alerts,
        "NOTIFIED_TOPIC": f"notified-{run}",
        "NOTIFY_COOLDOWN_SECONDS": "0",
        "NOTIFY_PER_MINUTE": "100000",
        "NOTIFY_LINK": _LINK,
    }


def _await_messages(kafka: Kafka, slack: SlackApart, alerts: str, notifier: Job) -> None:
    """Wait until there is a message for each alert that there is, or it is too late for that."""
    written, deadline = count(kafka.bootstrap, alerts), time.monotonic() + _LATE_SECONDS
    while slack.count < written and time.monotonic() < deadline:
        notifier.check()
        time.sleep(0.05)


def _latencies(kafka: Kafka, slack: SlackApart, alerts: str) -> tuple[list[float], list[float]]:
    """Milliseconds from the writing of each rating to its alert on Kafka, and to its message."""
    written, to_kafka = {}, []
    for message in read(kafka.bootstrap, alerts):
        row = orjson.loads(message.value() or b"")
        written[row["rating_id"]] = row["rating_ts"]
        if row["rating_id"] >= _FIRST:
            to_kafka.append(float(message.timestamp()[1] - row["rating_ts"]))
    told = [
        (int(text.rpartition("ratings.example/")[2].partition("|")[0]), posted.at)
        for posted in slack.posted
        if (text := str(posted.body["blocks"][-1]["text"]["text"]))
    ]
    ids = [rating_id for rating_id, _ in told]
    if sorted(ids) != sorted(written):
        odd = list(islice(set(written).symmetric_difference(ids), 5))
        raise WrongOutput(f"{len(written)} alerts, {len(ids)} messages, such as {odd}")
    return to_kafka, [at * 1000 - written[rating_id] for rating_id, at in told if rating_id >= _FIRST]
