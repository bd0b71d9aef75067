"""The health page of a flow's process."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from settings.component import Component
from settings.listening import Host, Port, own_port

_PORT = 3031


class Health(Component):
    """The health page of each process of a flow."""

    host: Host = Field(
        "127.0.0.1",
        alias="HEALTH_HOST",
        description="address that the health page listens on. It asks for no token, since probes send none: `0.0.0.0` "
        "in a pod, with a network policy",
    )
    port: Annotated[Port, BeforeValidator(lambda value: own_port(value, _PORT))] = Field(
        _PORT,
        alias="HEALTH_PORT",
        description="port that the health page listens on; if it is taken, the next free one, which the log names; "
        "`0`: any free port",
    )
