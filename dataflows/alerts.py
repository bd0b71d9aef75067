"""The alerts branch of the main job: each rule is a step, from ratings with their customers to alerts on its topic."""

import sys
from collections.abc import Callable, Sequence

import bytewax.operators as op
from prometheus_client import Counter

from dataflows.rules import Rule, selection
from operators.each import Batches, Oks, together
from operators.limit import FailureLimit
from records.alert import EncodedAlert, encoder
from records.enriched import Match

_alerts = Counter("alerts", "Alerts made, by rule", ["rule"])


def by_topic(rules: Sequence[Rule], matches: Batches[Match], oks: Oks) -> dict[str, Batches[EncodedAlert]]:
    """The alerts of all rules, by topic. A rating that meets two rules is an alert of each.

    A rating that a rule cannot judge, because a CAST fails for instance, is a dead letter of that rule. However many
    there are of them, the flow goes on: what is wrong with a rule is not to stop the ratings.
    """
    by_topic: dict[str, list[Batches[EncodedAlert]]] = {}
    for rule in rules:
        never = FailureLimit(max_share=1, max_in_a_row=sys.maxsize)
        alerts = oks(together(f"rule:{_word(rule.name)}", matches, alerting(rule), never, drop_empty=True))
        by_topic.setdefault(rule.topic, []).append(alerts)
    return {topic: op.merge(f"alerts_of:{_word(topic)}", *streams) for topic, streams in by_topic.items()}


def alerting(rule: Rule) -> Callable[[Sequence[Match]], list[EncodedAlert]]:
    """A function from ratings to the alerts of a rule."""
    select, encode = selection(rule.where), encoder(rule.name, rule.columns)
    made = _alerts.labels(rule.name)

    def alerts(matches: Sequence[Match]) -> list[EncodedAlert]:
        found = encode(select(matches))
        made.inc(len(found))
        return found

    return alerts


def step_id(topic: str, default_topic: str) -> str:
    """The id of the step that writes alerts to a topic, under which its state is in the recovery store."""
    return "alerts" if topic == default_topic else f"alerts:{_word(topic)}"


def _word(name: str) -> str:
    return name.replace(".", ":")  # Bytewax's own ids have the dots
