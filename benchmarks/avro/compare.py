"""The comparison of Avro with JSON and with fastavro, all of it."""

from argparse import Namespace
from typing import Any

from benchmarks.avro import decoding, flow, writing
from benchmarks.harness.data import Data
from messages.registry import Registry
from servers.embedded.registry import RegistryDouble


def compare(options: Namespace) -> dict[str, Any]:
    """Time decoding and writing alone, then the main job; print and return the numbers."""
    data = Data(options.seed, options.ratings, options.customers)
    with RegistryDouble() as double:
        registry = Registry(double.url)
        alone = decoding.compare(registry, options.seed, options.decoded, options.rounds)
        return {
            "decoding": alone,
            "writing": writing.compare(options.seed, options.decoded, options.rounds),
            "flow": flow.compare(registry, double.url, data, options.rounds, alone[decoding.PLAIN]),
        }
