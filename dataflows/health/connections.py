"""Whether the other processes of the cluster are still connected, as the kernel knows it.

Bytewax notices that another process has gone only when it sends something to it. It sends nothing while the processes
wait for each other at the end of an epoch.
"""

import os
import socket
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

_FILES = "/proc/self/fd"
"""Where it is missing, no connection is known, and none is lost."""
_ESTABLISHED = 1
"""The state of a connection that neither side has closed, by the kernel's number."""


class Connections:
    """The connections of this process with the others of its cluster, as they are when this is made.

    Args:
        own: the address of this process, ``host:port``.
        others: those of the others.
    """

    def __init__(self, own: str, others: Iterable[str]) -> None:
        port = int(own.rpartition(":")[2])
        addresses = {address for other in others for address in _resolved(other)}
        self._sockets = {key for key, connection in _sockets() if _leads(connection, port, addresses)}

    def lost(self) -> bool:
        """Whether another process has closed one of them."""
        return any(_state(connection) != _ESTABLISHED for key, connection in _sockets() if key in self._sockets)


def _resolved(address: str) -> Iterator[tuple[str, int]]:
    host, _, port = address.rpartition(":")
    with suppress(OSError):  # it has no name any more
        for *_, found in socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM):
            yield str(found[0]), int(found[1])


def _sockets() -> Iterator[tuple[tuple[int, int], socket.socket]]:
    """The TCP sockets of this process: descriptor and inode, and a copy to ask."""
    with suppress(FileNotFoundError):
        for name in os.listdir(_FILES):
            with suppress(OSError):  # it is closed meanwhile
                status = os.fstat(int(name))
                if stat.S_ISSOCK(status.st_mode):
                    with socket.socket(fileno=os.dup(int(name))) as copy:
                        if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM:
                            yield (int(name), status.st_ino), copy


def _leads(connection: socket.socket, own: int, others: Collection[tuple[str, int]]) -> bool:
    try:
        remote = connection.getpeername()
    except OSError:  # it is not connected
        return False
    return connection.getsockname()[1] == own or remote[:2] in others


def _state(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
