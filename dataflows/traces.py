"""Traces of a flow's steps, by Bytewax's own exporter."""

from bytewax.tracing import OtlpTracingConfig, setup_tracing

from settings.traces import Traces

_tracers: list[object] = []
"""Bytewax sends traces for as long as its tracer is referred to."""


def send(settings: Traces, service: str) -> None:
    """Send traces of this process as those of ``service``, if it is wanted; a second call changes nothing.

    A collector that is away costs the flow nothing but lines on standard error; the traces are lost.
    """
    if settings.url is not None and not _tracers:
        _tracers.append(setup_tracing(OtlpTracingConfig(service, settings.url, settings.ratio), "ERROR"))
