"""Observations as tests make them."""

from collections.abc import Mapping, Sequence

from monitoring.look import Observation
from monitoring.model import PartitionLag, TopicLag
from monitoring.scrape import Process, Series

NOON = 1_780_315_200.0


def series(value: float, **labels: str) -> Series:
    return labels, value


def process(
    metrics: Mapping[str, list[Series]] | None = None,
    *,
    number: int = 0,
    of: int = 1,
    flow: str = "ratings",
    started: float = NOON - 600,
) -> Process:
    """A process of a flow that reads the topic ``in``, with more metrics."""
    own = {
        "flow_info": [series(1, flow=flow, group="g", process=str(number), processes=str(of))],
        "flow_input_info": [series(1, topic="in", step="decode_in")],
        "process_start_time_seconds": [series(started)],
        **(metrics or {}),
    }
    return Process(f"http://{number}", NOON, {name: tuple(those) for name, those in own.items()})


def lag(*ends: int, committed: int = 0, topic: str = "in") -> TopicLag:
    partitions = tuple(PartitionLag(at, 0, end, committed, end - committed) for at, end in enumerate(ends))
    return TopicLag(topic, partitions, sum(one.lag for one in partitions), None)


def observation(
    *processes: Process,
    at: float = NOON,
    ends: Sequence[TopicLag] = (),
    silent: Mapping[str, str] | None = None,
    guessed: bool = False,
    kafka: str | None = None,
) -> Observation:
    """An observation in which the group of the flow has this lag."""
    lags = {("g", end.topic): end for end in ends}
    return Observation(at, processes, silent or {}, guessed, {"g": ["in"]}, lags, kafka)
