"""Tells people of alerts: in Slack, at any other URL, or on standard output.

Run it: ``python -m bytewax.run dataflows.notify``. It is a dataflow of its own, so Slack never holds up ratings.
``dataflows/wiring/notify.py`` has what it reads from and writes to.
"""

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows import decoders, letters
from dataflows.ports import NotifyPorts
from dataflows.start import start
from dataflows.wiring.notify import connect, step
from operators.decode import decode
from operators.limit import FailureLimit
from operators.output import output_with_ticks
from operators.stop import stop_together
from operators.wait import wait_together
from settings import Settings


def build(ports: NotifyPorts, settings: Settings) -> Dataflow:
    """The notifier, between any sources and sinks."""
    flow = Dataflow("notify")
    entries, malformed = [], []
    for topic, source in ports.alerts.items():
        polls = op.input(step(topic), flow, source)
        limit = FailureLimit(settings.dead_letters.max_share, settings.dead_letters.max_in_a_row)
        decoder = decoders.of_alerts(topic, ports.rules, ports.schemas)
        decoded = decode(f"decode_{step(topic)}", polls, decoder, lambda _: 0, limit)
        entries.append(decoded.oks)
        malformed.append(decoded.errs)
    ticks = op.input("ticks", flow, ports.ticks)
    stop_together("stop", ticks, ports.stop)
    wait_together("wait", ticks, ports.waits)
    output_with_ticks("notices", op.merge("entries", *entries), ticks, ports.notices)
    dead_letters = op.map_value("letters", op.merge("malformed", *malformed), letters.of_malformed)
    output_with_ticks("dead_letters", dead_letters, ticks, ports.dead_letters)
    return flow


def __getattr__(name: str) -> Dataflow:
    """The module's ``flow``, made when it is asked for: importing the module connects to nothing."""
    if name != "flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return start("notify", lambda settings: build(connect(settings), settings))
