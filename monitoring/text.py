"""An overview as text for a person. Pure."""

from collections.abc import Iterator, Sequence

from monitoring.model import Branch, Flow, Group, Overview

_HEAD = ("", "a second", "total", "last", "failed", "lag", "unread")
_HINT = (
    "a flow shows its metrics on the health page of each process (HEALTH_PORT); --url or STATUS_URLS names the pages "
    "that are not at the ports 3030 to 3037 of this machine"
)
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
Row = Sequence[str]


def lines(overview: Overview) -> list[str]:
    """The lines for a terminal. What could move its cursor is shown as a mark."""
    return ["".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) for line in _lines(overview)]


def duration(seconds: float) -> str:
    """A duration in its largest unit: ``0.4 s``, ``42 s``, ``3 min``, ``2 d``."""
    if 0 <= seconds < 10:
        return f"{seconds:.1f} s"
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{max(0.0, seconds) // size:,.0f} {unit}"


def _lines(overview: Overview) -> Iterator[str]:
    for flow in overview.flows:
        yield from _flow(flow)
    for group in overview.groups:
        yield from _group(group, overview.at)
    if not overview.flows:
        yield _HINT
    yield from (f"trouble: {trouble}" for trouble in overview.troubles)
    if not overview.troubles:
        yield "all moves, or has nothing to do"


def _flow(flow: Flow) -> Iterator[str]:
    up = "" if flow.started is None else f", up {duration(flow.at - flow.started)}"
    snapshot = "no snapshot yet" if flow.snapshot is None else f"last snapshot {_ago(flow.snapshot, flow.at)}"
    of = "" if len(flow.found) == flow.processes else f" of {flow.processes}"
    processes = f"{len(flow.found)}{of} {'process' if flow.processes == 1 else 'processes'}"
    yield f"{flow.name}: consumer group {flow.group}, {processes}{up}, {snapshot}"
    rows: list[Row] = [_HEAD]
    for source in flow.inputs:
        lag = "?" if source.lag is None else f"{source.lag.lag:,}"
        unread = "?" if source.unread is None else f"{source.unread:,}"
        last = _ago(source.last, flow.at)
        rows.append((f"in  {source.topic}", _rate(source.rate), f"{source.total:,}", last, f"{source.failed:,}",
                     lag, unread))  # fmt: skip
    for output in flow.outputs:
        last = _ago(output.last, flow.at)
        rows.append(
            (f"out {output.topic}", _rate(output.rate), f"{output.total:,}", last, f"{output.failed:,}", "", "")
        )
    for branch in flow.branches:
        if branch.state != "off":
            last = _ago(branch.last, flow.at)
            name = f"out {branch.destination} ({branch.unit})"
            rows.append((name, _rate(branch.rate), f"{branch.total:,}", last, f"{branch.failed:,}", "", ""))
    yield from _table(rows)
    if (join := flow.join) is not None:
        yield (
            f"  join: {join.matched:,} matched, {join.late:,} late, {join.unmatched:,} unmatched, {join.held:,} held, "
            f"{join.rows:,} customers"
        )
    if parked := sum(source.parked for source in flow.inputs):
        yield f"  parked: {parked:,} messages wait for the schema registry"
    yield from (f"  {_branch(branch, flow.at)}" for branch in flow.branches)


def _branch(branch: Branch, at: float) -> str:
    if branch.state == "off":
        return branch.sentence(at)
    waiting = "" if branch.state == "held back" else f", {branch.waiting:,} {branch.waiting_unit} wait"
    return f"{branch.sentence(at)}{waiting}, {branch.retries:,} retries"


def _group(group: Group, at: float) -> Iterator[str]:
    if not group.topics:
        return
    yield f"consumer group {group.name}, whose flow was not found"
    rows: list[Row] = [("", "last", "lag")]
    rows += [(f"in  {topic.topic}", _ago(topic.last, at), f"{topic.lag:,}") for topic in group.topics]
    yield from _table(rows)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        shown = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([f"  {name.ljust(widths[0])}", *shown]).rstrip()


def _rate(rate: float | None) -> str:
    return "?" if rate is None else f"{rate:,.1f}"


def _ago(time: float | None, at: float) -> str:
    return "-" if time is None else f"{duration(max(0.0, at - time))} ago"
