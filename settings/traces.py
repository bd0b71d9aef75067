"""Traces of Bytewax's steps."""

from pydantic import Field

from settings.component import Component


class Traces(Component):
    """Traces of Bytewax's steps, to an OpenTelemetry collector."""

    url: str | None = Field(
        None,
        alias="OTLP_URL",
        pattern=r"^http://[^\s/@]+:\d{1,5}/?$",
        description="collector of traces, as `http://host:4317`: OTLP over gRPC, without TLS. Unset: no traces",
    )
    ratio: float = Field(
        0.01,
        alias="OTLP_SAMPLING_RATIO",
        ge=0,
        le=1,
        description="share of the traces that are sent; each is of one call of a step",
    )
