"""How long a rating takes from Kafka to Kafka, as a metric."""

import time

import bytewax.operators as op
from prometheus_client import Histogram

from operators.batch import Batch
from operators.each import Batches
from records.enriched import Encoded

_seconds = Histogram(
    "rating_to_output_seconds",
    "Duration from the timestamp of a rating to the writing of its enriched rating; one rating a batch is measured",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)


def measured(step_id: str, encoded: Batches[Encoded]) -> Batches[Encoded]:
    """The stream as it is; of each run of the step the first record is measured, so it costs nothing a rating."""
    return op.flat_map_batch(step_id, encoded, _measure)


def _measure(items: list[tuple[str, Batch[Encoded]]]) -> list[tuple[str, Batch[Encoded]]]:
    for _, batch in items[:1]:
        for record in batch[:1]:
            _seconds.observe(max(0.0, time.time() - record.rating_ts / 1000))
    return items
