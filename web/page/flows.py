"""The panel of the flows' health as HTML."""

from collections.abc import Iterator

from monitoring.model import Branch, Flow, Group, Overview, TopicLag
from monitoring.text import duration
from web.page.markup import Markup, element, join, table

_NONE = "\N{EN DASH}"
_COLORS = {"off": "", "delivering": "good", "held back": "bad"}


def health(overview: Overview | None) -> Markup:
    """The flows, their inputs, outputs and branches, and what stands still."""
    if overview is None:
        return element("p", "Looking at the flows \N{HORIZONTAL ELLIPSIS}", class_="quiet")
    found: list[Markup] = [element("p", trouble, class_="bad") for trouble in overview.troubles]
    if not overview.troubles and overview.flows:
        found.append(element("p", "All moves, or has nothing to do.", class_="good"))
    found += [_flow(flow) for flow in overview.flows]
    found += [_group(group) for group in overview.groups]
    if not overview.flows:
        hint = "No flow shows its metrics: name the health page of each process in STATUS_URLS."
        found.append(element("p", hint, class_="quiet"))
    return join(found)


def _flow(flow: Flow) -> Markup:
    rows = [
        ("in", one.topic, _rate(one.rate), f"{one.total:,}", f"{one.failed:,}", _lag(one.lag)) for one in flow.inputs
    ]
    rows += [("out", one.topic, _rate(one.rate), f"{one.total:,}", f"{one.failed:,}", "") for one in flow.outputs]
    columns = ("", "Topic", "A second", "Total", "Failed", "Lag")
    return element(
        "div",
        element("h3", flow.name, " ", element("span", " \N{MIDDLE DOT} ".join(_about(flow)), class_="quiet")),
        table(f"Inputs and outputs of {flow.name}", columns, rows, class_="topics"),
        _join(flow),
        element("ul", *(_branch(branch, flow.at) for branch in flow.branches), class_="branches"),
        class_="flow",
    )


def _about(flow: Flow) -> Iterator[str]:
    there = len(flow.found)
    yield f"{there} process{'' if there == 1 else 'es'}" + ("" if there == flow.processes else f" of {flow.processes}")
    if flow.started is not None:
        yield f"up {duration(flow.at - flow.started)}"
    yield "no snapshot yet" if flow.snapshot is None else f"last snapshot {duration(flow.at - flow.snapshot)} ago"


def _join(flow: Flow) -> Markup | None:
    if flow.join is None:
        return None
    one = flow.join
    return element(
        "p",
        f"Join: {one.matched:,} matched, {one.late:,} late, {one.unmatched:,} without a customer, {one.held:,} held, "
        f"{one.rows:,} customers",
        class_="quiet",
    )


def _branch(branch: Branch, at: float) -> Markup:
    told = branch.sentence(at).removeprefix(f"{branch.name}: {branch.state}").lstrip()
    numbers = (
        ""
        if branch.state == "off"
        else f"{_rate(branch.rate)} {branch.unit}/s, {branch.total:,} in all, {branch.waiting:,} "
        f"{branch.waiting_unit} wait, {branch.retries:,} retries, {branch.failed:,} refused"
    )
    return element(
        "li",
        element("strong", branch.name),
        " ",
        element("span", branch.state, class_=f"badge {_COLORS[branch.state]}"),
        " ",
        element("span", told, class_="bad") if told else None,
        element("span", numbers, class_="quiet"),
    )


def _group(group: Group) -> Markup:
    lags = ", ".join(f"{topic.topic} {topic.lag:,}" for topic in group.topics) or "unknown"
    return element("p", f"Consumer group {group.name}: no flow was found; lag: {lags}", class_="quiet")


def _lag(lag: TopicLag | None) -> Markup | str:
    """The lag of a topic, and of each partition where there is some."""
    if lag is None:
        return _NONE
    behind = [f"{one.partition}: {one.lag:,}" for one in lag.partitions if one.lag]
    shown = element("span", " \N{MIDDLE DOT} ".join(behind), class_="quiet block") if len(lag.partitions) > 1 else None
    return join((f"{lag.lag:,}", shown))


def _rate(rate: float | None) -> str:
    return _NONE if rate is None else f"{rate:,.1f}"
