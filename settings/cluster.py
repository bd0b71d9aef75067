"""The processes of a cluster, which start and stop together."""

from pydantic import Field

from settings.component import Component


class Cluster(Component):
    """The processes of a cluster."""

    connect: float = Field(
        120,
        alias="CONNECT_SECONDS",
        gt=0,
        description="seconds that a process waits for the other processes of its cluster before it ends with an error",
    )
    stall: float = Field(
        60,
        alias="STALL_SECONDS",
        gt=0,
        description="seconds beyond two epoch intervals in which no epoch ends, after which a process ends with an "
        "error, so that it is restarted; at least ten seconds more than `message.timeout.ms`, which is 120 seconds by "
        "default",
    )
