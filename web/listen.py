"""The socket of a server."""

import socket

_BACKLOG = 1024


def listen(host: str, port: int, prefix: str) -> socket.socket:
    """A socket on the first address of a host.

    Args:
        host: a name or an address.
        port: 0 for any free port.
        prefix: of the settings that they came from, ``INTAKE`` for example.

    Raises:
        OSError: the port is taken, or the host is not this machine; the message is one line.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        why = error.strerror
        raise OSError(f"{prefix}_HOST {host} and {prefix}_PORT {port} cannot be listened on: {why}") from None
    return listener


def address(listener: socket.socket) -> str:
    """The address of a server, ``http://127.0.0.1:8080``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
