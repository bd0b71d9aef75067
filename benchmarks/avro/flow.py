"""The main job draining a backlog of ratings in Avro, beside the same in JSON."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import orjson

from benchmarks.avro.copy import copy
from benchmarks.avro.schemas import RATINGS, framed
from benchmarks.harness import report
from benchmarks.harness.backlog import PARTITIONS, fill
from benchmarks.harness.backlog import RATINGS as JSON_TOPIC
from benchmarks.harness.contestants import Contestant, project
from benchmarks.harness.data import Data
from benchmarks.harness.measure import Run, measure
from benchmarks.harness.outputs import Outputs
from benchmarks.harness.results import in_turn
from benchmarks.harness.running import broker
from benchmarks.harness.verify import Verified, Verifier
from messages.registry import Registry
from messages.writer import AvroWriter
from records.enriched_avro import SCHEMA
from servers.kafka import Kafka

AVRO_TOPIC = "ratings-in-avro"
TARGET = 1.0
"""Ratings a second of CPU, in Avro over those with one call of fastavro a rating: at least that."""


class AvroVerifier(Verifier):
    """Verifies enriched ratings in Avro, by a copy of their topic in JSON."""

    def verify(self, kafka: Kafka, outputs: Outputs) -> Verified:
        """As ``Verifier.verify``."""
        in_json = replace(outputs, enriched=f"{outputs.enriched}-in-json")
        kafka.create_topic(in_json.enriched, PARTITIONS)
        read = AvroWriter(SCHEMA, 0).read
        copy(kafka, outputs.enriched, in_json.enriched, lambda value: orjson.dumps(_with_epoch(read(value))))
        verified = super().verify(kafka, in_json)
        admin = kafka.admin()
        admin.delete_topics([in_json.enriched])[in_json.enriched].result()
        return verified


def compare(registry: Registry, url: str, data: Data, rounds: int, alone: Mapping[str, float]) -> dict[str, Any]:
    """Let the job drain the same backlog in JSON, in Avro, and from Avro to Avro, in turn; print every run.

    Args:
        registry: that of `url`.
        url: for the job.
        data: of the backlog.
        rounds: runs of each.
        alone: what decoding a rating costs alone, CPU us, by way.

    Returns:
        The runs, and the medians of each.
    """
    in_avro = {"RATINGS_TOPIC": AVRO_TOPIC, "SCHEMA_REGISTRY_URL": url}
    json = _job("json", {"SCHEMA_REGISTRY_URL": ""})
    avro = _job("avro", in_avro)
    to_avro = _job("avro-to-avro", {**in_avro, "OUTPUT_FORMAT": "avro"})
    with broker() as kafka:
        print(f"draining {data.ratings:,} ratings in JSON, in Avro, and from Avro to Avro", flush=True)
        places = fill(kafka, data)
        kafka.create_topic(AVRO_TOPIC, PARTITIONS, retention_ms=-1)
        encode = framed(registry, f"{AVRO_TOPIC}-value", RATINGS)
        copy(kafka, JSON_TOPIC, AVRO_TOPIC, lambda value: encode(msgspec.json.decode(value)))
        plain, of_avro = Verifier(data, places), AvroVerifier(data, places)
        print(report.HEADER)
        # The first run of all meets a broker that has served nobody yet: it counts for no one.
        print(report.line(measure(kafka, json, data.ratings, plain), "(warm-up)"), flush=True)
        ways = {
            job.name: partial(measure, kafka, job, data.ratings, verifier)
            for job, verifier in ((json, plain), (avro, plain), (to_avro, of_avro))
        }
        runs, summary = in_turn(ways, rounds, report.line)
    for job in (avro, to_avro):
        print(f"{job.name} / json: {report.ratios(runs, job.name, json.name)}")
    return {"runs": runs, "medians": summary, **_with_fastavro(summary[json.name], summary[avro.name], alone)}


def _with_fastavro(json: Run, avro: Run, alone: Mapping[str, float]) -> dict[str, float]:
    """Print and return how Avro compares with a job that calls fastavro once a rating, and does all else as in JSON."""
    cpu_us = json.cpu_us_per_rating - alone["msgspec"] + alone["fastavro"]
    by_cpu = cpu_us / avro.cpu_us_per_rating
    rate = json.ratings_per_s * json.cpu_us_per_rating / cpu_us
    by_rate = avro.ratings_per_s / rate
    verdict = "met" if by_cpu >= TARGET else "MISSED"
    print(
        f"with one fastavro.schemaless_reader a rating it were {json.cpu_us_per_rating:.2f} (json) "
        f"- {alone['msgspec']:.2f} (msgspec alone) + {alone['fastavro']:.2f} (fastavro alone) "
        f"= {cpu_us:.2f} CPU us/rating, {rate:,.0f} ratings/s\n"
        f"avro / that: ratings a second of CPU {by_cpu:.2f} (target >= {TARGET}: {verdict}), ratings/s {by_rate:.2f}"
    )
    return {"with_fastavro_cpu_us": cpu_us, "by_cpu": by_cpu, "by_rate": by_rate}


def _job(name: str, env: Mapping[str, str]) -> Contestant:
    return replace(project(), name=name, env=env)


def _with_epoch(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "rating_ts": round(row["rating_ts"].timestamp() * 1000)}
