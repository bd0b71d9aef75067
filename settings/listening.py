"""What the settings of all servers have in common: a host, a port, a token, and when a server needs one."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr


def own_port(value: object, default: int) -> object:
    """The value of a setting for a port, or the default if Kubernetes set it.

    Kubernetes sets ``INTAKE_PORT=tcp://10.0.0.1:8080`` beside a service named intake.
    """
    return default if isinstance(value, str) and value.startswith("tcp://") else value


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # the name of a host
        return False


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{8,1000}=*", token.get_secret_value()):
        raise ValueError("must be at least 8 letters, digits and `-._~+/`, with `=` at the end only")
    return token


Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_%-]{1,253}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Token = Annotated[SecretStr, AfterValidator(_token)]
