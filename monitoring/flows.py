"""Two observations to the flows that they show, and to what stands still. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitoring.look import Observation
from monitoring.model import Branch, Flow, Group, Input, Join, Output, Overview, TopicLag
from monitoring.scrape import Process

HELD_BACK_SECONDS = 3.0
"""A branch whose destination refuses for less long than this delivers: a busy cluster refuses now and then."""
STILL_SECONDS = 30.0
"""The default of ``STATUS_STILL_SECONDS``."""


class _Measures(NamedTuple):
    """The metrics of a branch."""

    unit: str
    total: tuple[tuple[str, dict[str, str]], ...]
    last: str
    waiting: str
    waiting_unit: str
    retries: str
    failed: tuple[str, dict[str, str]]


_BRANCHES = {
    "search": _Measures(
        unit="documents",
        total=(
            ("elasticsearch_documents_total", {"outcome": "acknowledged"}),
            ("elasticsearch_documents_total", {"outcome": "stale"}),
        ),
        last="elasticsearch_last_document_timestamp_seconds",
        waiting="elasticsearch_buffered_documents",
        waiting_unit="documents",
        retries="elasticsearch_retries_total",
        failed=("elasticsearch_documents_total", {"outcome": "rejected"}),
    ),
    "archive": _Measures(
        unit="rows",
        total=(("s3_rows_total", {}),),
        last="s3_last_object_timestamp_seconds",
        waiting="s3_buffered_bytes",
        waiting_unit="bytes",
        retries="s3_retries_total",
        failed=("s3_rejected_rows_total", {}),
    ),
    "statistics": _Measures(
        unit="ratings",
        total=(("windows_records_total", {"outcome": "counted"}),),
        last="",
        waiting="",
        waiting_unit="ratings",
        retries="",
        failed=("windows_records_total", {"outcome": "late"}),
    ),
    "notices": _Measures(
        unit="alerts",
        total=(("notices_told_total", {}),),
        last="notices_last_message_timestamp_seconds",
        waiting="notices_waiting",
        waiting_unit="alerts",
        retries="notices_retries_total",
        failed=("notices_refused_total", {}),
    ),
}
_UNKNOWN = _Measures("records", (), "", "", "records", "", ("", {}))
"""Of a branch that a newer flow may have: only its state is known."""


def overview(before: Observation | None, now: Observation, still: float = STILL_SECONDS) -> Overview:
    """What two observations show.

    Args:
        before: an earlier one; None: there are no rates yet, and nothing is known to stand still.
        now: the later one.
        still: seconds without a message read after which a flow that has messages to read stands still.
    """
    flows = tuple(_flow(name, group, before, now, still) for name, group in sorted(_names(now.processes)))
    groups = {flow.group for flow in flows}
    lost = [
        Group(name, tuple(now.lags[name, topic] for topic in topics if (name, topic) in now.lags))
        for name, topics in now.expected.items()
        if name not in groups
    ]
    troubles = [f"{flow.name}: {trouble}" for flow in flows for trouble in flow.troubles]
    if now.kafka is not None:
        troubles.append(now.kafka)
    if not now.guessed:
        troubles += [f"no flow was found at {url}: {why}" for url, why in now.silent.items()]
    elif not flows:
        urls = list(now.silent)
        troubles.append(f"no flow was found at {urls[0]} to {urls[-1]}")
    return Overview(now.at, flows, tuple(lost), tuple(troubles))


def _names(processes: Iterable[Process]) -> set[tuple[str, str]]:
    return {(labels["flow"], labels["group"]) for process in processes for labels, _ in process.series("flow_info")}


class _Together:
    """The processes of one flow in two observations."""

    def __init__(self, name: str, group: str, before: Observation | None, now: Observation) -> None:
        self._seconds = now.at - before.at if before is not None else 0.0
        self.processes = _by_number(name, group, now.processes)
        self._before = _by_number(name, group, before.processes) if before is not None else {}

    def total(self, name: str, **labels: str) -> int:
        return int(sum(process.value(name, **labels) for process in self.processes.values()))

    def rate(self, name: str, **labels: str) -> float | None:
        """How much the total has grown a second. A process that has started since then began at 0."""
        if self._seconds <= 0:
            return None
        grown = 0.0
        for number, process in self.processes.items():
            value = process.value(name, **labels)
            earlier = self._before.get(number)
            known = earlier is not None and _started(earlier) == _started(process)
            grown += value - earlier.value(name, **labels) if known and earlier is not None else value
        return max(0.0, grown) / self._seconds

    def times(self, name: str, **labels: str) -> list[float]:
        """The times that a metric tells; 0 stands for none."""
        return [value for process in self.processes.values() for _, value in process.series(name, **labels) if value]

    def last(self, name: str, **labels: str) -> float | None:
        return max(self.times(name, **labels), default=None)

    def labelled(self, name: str) -> list[Mapping[str, str]]:
        """The labels of a metric's series, each once, in order."""
        seen = (labels for process in self.processes.values() for labels, _ in process.series(name))
        return list({tuple(sorted(labels.items())): labels for labels in seen}.values())

    def next_offsets(self, topic: str) -> dict[int, int]:
        """The offset of the next message to read, by partition."""
        offsets: dict[int, int] = defaultdict(int)
        for process in self.processes.values():
            for labels, offset in process.series("kafka_source_next_offset", topic=topic):
                partition = int(labels["partition"])
                offsets[partition] = max(offsets[partition], int(offset))
        return offsets


def _by_number(name: str, group: str, processes: Iterable[Process]) -> dict[int, Process]:
    """The processes of a flow by their numbers: of two with the same number, the one that started later."""
    ours: dict[int, Process] = {}
    for process in sorted(processes, key=lambda one: _started(one) or 0.0):
        for labels, _ in process.series("flow_info", flow=name, group=group):
            ours[int(labels["process"])] = process
    return dict(sorted(ours.items()))


def _started(process: Process) -> float | None:
    return process.value("process_start_time_seconds") or None


def _flow(name: str, group: str, before: Observation | None, now: Observation, still: float) -> Flow:
    together = _Together(name, group, before, now)
    found = tuple(together.processes)
    info = together.labelled("flow_info")
    processes = max(int(labels["processes"]) for labels in info)
    started = together.last("process_start_time_seconds")
    inputs = tuple(
        _input(labels["topic"], labels["step"], now.lags.get((group, labels["topic"])), together)
        for labels in together.labelled("flow_input_info")
    )
    branches = tuple(_branch(labels, now.at, together) for labels in together.labelled("flow_branch_on"))
    missing = sorted(set(range(processes)) - set(found))
    troubles = [f"process {number} of {processes} was not found" for number in missing]
    if before is not None and not missing:
        troubles += _standstills(inputs, group, before, now, together, started, still)
    troubles += [branch.sentence(now.at) for branch in branches if branch.state == "held back"]
    return Flow(
        name=name,
        group=group,
        at=now.at,
        found=found,
        processes=processes,
        started=started,
        snapshot=min(together.times("source_snapshot_timestamp_seconds"), default=None),
        inputs=inputs,
        outputs=tuple(_outputs(together)),
        join=_join(together),
        branches=branches,
        troubles=tuple(troubles),
    )


def _input(topic: str, step: str, lag: TopicLag | None, together: _Together) -> Input:
    return Input(
        topic=topic,
        rate=together.rate("kafka_source_messages_total", topic=topic),
        total=together.total("kafka_source_messages_total", topic=topic),
        last=together.last("kafka_source_last_message_timestamp_seconds", topic=topic),
        failed=together.total("decode_records_total", step=step, outcome="dead_letter"),
        parked=together.total("kafka_source_aside", topic=topic),
        unread=None if lag is None else _unread(lag, together.next_offsets(topic)),
        lag=lag,
    )


def _unread(lag: TopicLag, next_offsets: Mapping[int, int]) -> int:
    """The messages between the next one to read and the end. A partition without a reader yet counts whole."""
    return sum(max(0, one.end - max(one.begin, next_offsets.get(one.partition, 0))) for one in lag.partitions)


def _standstills(
    inputs: Sequence[Input],
    group: str,
    before: Observation,
    now: Observation,
    together: _Together,
    started: float | None,
    still: float,
) -> Iterator[str]:
    """A sentence for each input that has messages to read and reads none.

    Messages that came since the look before do not count. An input waits for another one that is being read: the
    ratings wait for the customers to be loaded.
    """
    idle = {one.topic: now.at - max(one.last or 0.0, started or 0.0) for one in inputs}
    if any(one.unread and idle[one.topic] < still for one in inputs):
        return
    for one in inputs:
        earlier = before.lags.get((group, one.topic))
        left = 0 if earlier is None else _unread(earlier, together.next_offsets(one.topic))
        if left and idle[one.topic] >= still:
            none = "none since the start" if one.last is None else f"none for {idle[one.topic]:,.0f} s"
            yield f"{one.topic} stands still: {one.unread or left:,} messages to read, {none}"


def _outputs(together: _Together) -> Iterator[Output]:
    for labels in together.labelled("kafka_sink_messages_total"):
        topic = labels["topic"]
        yield Output(
            topic=topic,
            rate=together.rate("kafka_sink_messages_total", topic=topic),
            total=together.total("kafka_sink_messages_total", topic=topic),
            last=together.last("kafka_sink_last_message_timestamp_seconds", topic=topic),
            failed=together.total("kafka_sink_rejected_total", topic=topic),
        )


def _join(together: _Together) -> Join | None:
    if not together.labelled("join_table_rows"):
        return None
    outcomes = {
        outcome: together.total("join_records_total", outcome=outcome)
        for outcome in ("matched", "late", "emitted", "dropped", "dead_letter")
    }
    return Join(
        matched=outcomes["matched"],
        late=outcomes["late"],
        unmatched=outcomes["emitted"] + outcomes["dropped"] + outcomes["dead_letter"],
        held=together.total("join_held"),
        rows=together.total("join_table_rows"),
    )


def _branch(labels: Mapping[str, str], at: float, together: _Together) -> Branch:
    name, destination = labels["branch"], labels["destination"]
    measures = _BRANCHES.get(name, _UNKNOWN)
    if not together.total("flow_branch_on", **labels):
        return Branch(name, destination, measures.unit, "off")
    outages = [
        (since, outage["cause"])
        for process in together.processes.values()
        for outage, since in process.series("sink_held_back_timestamp_seconds", destination=destination)
    ]
    since, why = min(outages, default=(at, ""))
    held_back = at - since >= HELD_BACK_SECONDS
    rates = [together.rate(metric, **only) for metric, only in measures.total]
    failed, only = measures.failed
    return Branch(
        name=name,
        destination=destination,
        unit=measures.unit,
        state="held back" if held_back else "delivering",
        since=since if held_back else None,
        why=why if held_back else "",
        rate=None if None in rates else sum(rate or 0.0 for rate in rates),
        total=sum(together.total(metric, **only) for metric, only in measures.total),
        last=together.last(measures.last),
        waiting=together.total(measures.waiting),
        waiting_unit=measures.waiting_unit,
        retries=together.total(measures.retries),
        failed=together.total(failed, **only),
    )
