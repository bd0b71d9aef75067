"""The alerts branch of the main job: each rule is two steps, from ratings to those that meet it, and to its alerts."""

import sys
from collections.abc import Callable, Mapping, Sequence

import bytewax.operators as op
from prometheus_client import Counter

from dataflows.rules import Rule, selection
from operators.each import Batches, Oks, together
from operators.limit import FailureLimit
from records.alert import EncodedAlert, encoder
from records.enriched import Match

_alerts = Counter("alerts", "Alerts made, by rule", ["rule"])


def selected(rules: Sequence[Rule], matches: Batches[Match], oks: Oks) -> dict[Rule, Batches[Match]]:
    """The ratings that meet each rule.

    A rating that a rule cannot judge, because a CAST fails for instance, is a dead letter of that rule. However many
    there are of them, the flow goes on: what is wrong with a rule is not to stop the ratings.
    """
    return {
        rule: oks(together(f"rule:{_word(rule.name)}", matches, selection(rule.where), _no_limit(), drop_empty=True))
        for rule in rules
    }


def by_topic(selected: Mapping[Rule, Batches[Match]], oks: Oks) -> dict[str, Batches[EncodedAlert]]:
    """The alerts of all rules, by topic. A rating that meets two rules is an alert of each."""
    by_topic: dict[str, list[Batches[EncodedAlert]]] = {}
    for rule, matches in selected.items():
        alerts = oks(together(f"alert:{_word(rule.name)}", matches, alerting(rule), _no_limit()))
        by_topic.setdefault(rule.topic, []).append(alerts)
    return {topic: op.merge(f"alerts_of:{_word(topic)}", *streams) for topic, streams in by_topic.items()}


def alerting(rule: Rule) -> Callable[[Sequence[Match]], list[EncodedAlert]]:
    """A function from ratings that met a rule to its alerts."""
    encode, made = encoder(rule.name, rule.columns), _alerts.labels(rule.name)

    def alerts(matches: Sequence[Match]) -> list[EncodedAlert]:
        encoded = encode(matches)
        made.inc(len(encoded))
        return encoded

    return alerts


def step_id(topic: str, default_topic: str) -> str:
    """The id of the step that writes alerts to a topic, under which its state is in the recovery store."""
    return "alerts" if topic == default_topic else f"alerts:{_word(topic)}"


def _no_limit() -> FailureLimit:
    return FailureLimit(max_share=1, max_in_a_row=sys.maxsize)


def _word(name: str) -> str:
    return name.replace(".", ":")  # Bytewax's own ids have the dots
