"""Writing alone: what an enriched rating costs in Avro and in JSON."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from benchmarks.avro import timing
from benchmarks.harness.data import Data, enriched
from demo.generate.avro import encoder
from messages.wire import FRAME_BYTES
from messages.writer import AvroWriter
from operators.batch import KEY_GROUPS
from records.enriched import EnrichedRating, encode
from records.enriched_avro import SCHEMA
from sources.kafka import MAX_MESSAGES

RECORDS = MAX_MESSAGES // len(KEY_GROUPS)
"""In a batch: what a full poll gives to a key group."""


def compare(seed: int, records: int, rounds: int) -> dict[str, float]:
    """Verify and time the ways to write; print and return the medians, CPU us a record."""
    data = Data(seed, RECORDS, RECORDS)
    ratings = [data.rating(number) for number in range(RECORDS)]
    rows = [enriched(rating, data.known(rating["user_id"]), 0, number) for number, rating in enumerate(ratings)]
    structs = msgspec.convert(rows, list[EnrichedRating])
    writer, write = AvroWriter(SCHEMA, 1), encoder(SCHEMA)
    ways: dict[str, Callable[[], Any]] = {
        "fastavro": lambda: list(map(write, rows)),
        "project": lambda: writer.write(structs),
        "JSON": lambda: list(map(encode, structs)),
    }
    if [value[FRAME_BYTES:] for value in ways["project"]()] != ways["fastavro"]():
        raise RuntimeError("the project does not write what fastavro writes")
    if [orjson.loads(value) for _, value, _, _ in ways["JSON"]()] != rows:
        raise RuntimeError("the JSON is not what is written in Avro")
    took = timing.medians(ways, RECORDS, records, rounds)
    print(f"{'writing, CPU us a record':32}" + "".join(f"{name:>12}" for name in took))
    print(f"{'enriched ratings':32}" + "".join(f"{us:12.2f}" for us in took.values()))
    print(f"project / fastavro: CPU {took['project'] / took['fastavro']:.2f}", flush=True)
    return took
