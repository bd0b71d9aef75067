"""The intake over HTTP: lists of ratings from some connections, and the same ratings by a bare loop over a producer."""

import socket
import time
import uuid
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from statistics import quantiles
from typing import Any

import orjson
from confluent_kafka import Producer

from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.usage import cpu_seconds
from benchmarks.harness.verify import WrongOutput
from demo.generate.ratings import GeneratedRating, Ratings
from servers.job import Job
from servers.kafka import Kafka
from servers.process import free_ports
from servers.topics import read

LIST = 100
CONNECTIONS = 8
PARTITIONS = 4
TARGET = 5_000
HEADER = f"{'':18}{'ratings/s':>12}{'CPU us/rating':>16}{'ms/list p50':>14}{'ms/list p99':>14}"
INTAKE, LOOP = "intake", "producer loop"


@dataclass(frozen=True)
class Run:
    """What one run took, from the first rating until the last was acknowledged."""

    way: str
    ratings: int
    ratings_per_s: float
    cpu_us_per_rating: float
    """CPU of the intake, or of the loop; the broker's and the client's are not in it."""
    p50_ms: float
    p99_ms: float
    """From a request to its answer; 0 for the loop, which has no requests."""


def compare(options: Namespace) -> dict[str, Any]:
    """Let both write the same ratings in turn; print every run, and return them with the medians of each."""
    ratings = list(islice(Ratings(options.seed, malformed_every=None), options.posted))
    with broker() as kafka:
        print(
            f"writing {len(ratings):,} ratings, in lists of {LIST} on {CONNECTIONS} connections\n{HEADER}", flush=True
        )
        ways = {INTAKE: partial(intake, kafka, ratings), LOOP: partial(loop, kafka, ratings)}
        runs, summary = in_turn(ways, options.rounds, line, warm_up=1)
    ours, bare = summary[INTAKE], summary[LOOP]
    verdict = "met" if ours.ratings_per_s >= TARGET else "MISSED"
    print(
        f"ratio ratings/s {ours.ratings_per_s / bare.ratings_per_s:.2f}, "
        f"ratio CPU {ours.cpu_us_per_rating / bare.cpu_us_per_rating:.2f}; target >= {TARGET:,} ratings/s: {verdict}"
    )
    return {"runs": runs, "medians": summary}


def intake(kafka: Kafka, ratings: Sequence[GeneratedRating]) -> Run:
    """Post the ratings to an intake, and see that each is at the place of its answer.

    Raises:
        RuntimeError: an answer was not 202.
        WrongOutput: a rating is not where the answer says.
    """
    topic = _topic(kafka)
    (port,) = free_ports(1)
    variables = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap, "RATINGS_TOPIC": topic, "INTAKE_PORT": str(port)}
    folder = kafka.folder / topic
    folder.mkdir()
    lists = [ratings[start : start + LIST] for start in range(0, len(ratings), LIST)]
    requests = [_request(one) for one in lists]
    with Job(folder, variables, module=["web.intake"], recovery=0) as job:
        _await(port, job)
        cpu, began = cpu_seconds(job.pids), time.monotonic()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            posted = list(pool.map(partial(_post, port), [requests[n::CONNECTIONS] for n in range(CONNECTIONS)]))
        seconds, cpu = time.monotonic() - began, cpu_seconds(job.pids) - cpu
        job.end()
    written = {(one.partition(), one.offset()): one.value() for one in read(kafka.bootstrap, topic)}
    told = {
        (place["partition"], place["offset"]): rating.value
        for number, answers in enumerate(posted)
        for sent, (_, body) in zip(lists[number::CONNECTIONS], answers, strict=True)
        for rating, place in zip(sent, orjson.loads(body)["accepted"], strict=True)
    }
    if written != told or len(told) != len(ratings):
        raise WrongOutput(f"{len(told)} ratings were acknowledged, {len(written)} are on the topic")
    times = [1000 * taken for answers in posted for taken, _ in answers]
    cuts = quantiles(times, n=100)
    return Run(INTAKE, len(ratings), len(ratings) / seconds, cpu / len(ratings) * 1e6, cuts[49], cuts[98])


def loop(kafka: Kafka, ratings: Sequence[GeneratedRating]) -> Run:
    """Write the ratings as fast as a producer takes them.

    Raises:
        WrongOutput: a rating was not acknowledged.
    """
    topic, acknowledged = _topic(kafka), 0

    def on_delivery(error: object, _message: object) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 2 * len(ratings),
        }
    )
    cpu, began = time.process_time(), time.monotonic()
    for rating in ratings:
        producer.produce(topic, rating.value, rating.key, on_delivery=on_delivery)
        producer.poll(0)
    producer.flush(60)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if acknowledged != len(ratings):
        raise WrongOutput(f"{acknowledged} of {len(ratings)} ratings were acknowledged")
    return Run(LOOP, len(ratings), len(ratings) / seconds, cpu / len(ratings) * 1e6, 0, 0)


def line(run: Run, name: str) -> str:
    """One row of the table."""
    return f"{name:18}{run.ratings_per_s:12,.0f}{run.cpu_us_per_rating:16.2f}{run.p50_ms:14.1f}{run.p99_ms:14.1f}"


def _topic(kafka: Kafka) -> str:
    name = f"posted-{uuid.uuid4().hex[:8]}"
    kafka.create_topic(name, PARTITIONS)
    return name


def _request(ratings: Sequence[GeneratedRating]) -> bytes:
    body = b"[%s]" % b",".join(rating.value for rating in ratings)
    head = b"POST /ratings HTTP/1.1\r\nHost: intake\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def _await(port: int, job: Job, seconds: float = 30) -> None:
    """Wait until the intake can write."""
    deadline = time.monotonic() + seconds
    while True:
        job.check()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: intake\r\n\r\n")
                if connection.recv(12).endswith(b"200"):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"the intake is not ready after {seconds:.0f} s:\n{job.tail()}")
        time.sleep(0.1)


def _post(port: int, requests: Sequence[bytes]) -> list[tuple[float, bytes]]:
    """Post requests on one connection, one after the other; the seconds and the body of each answer."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, connection.makefile("rb") as stream:
        for request in requests:
            began = time.monotonic()
            connection.sendall(request)
            status, length = stream.readline(), 0
            while (header := stream.readline()) != b"\r\n":
                if header.lower().startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            body = stream.read(length)
            if b" 202 " not in status:
                raise RuntimeError(f"{status.decode().strip()}: {body[:300].decode()}")
            answers.append((time.monotonic() - began, body))
    return answers
