"""Whether the kernel tells that another process has closed a connection, in order or by its death."""

import socket
import struct

import pytest

from dataflows.health.connections import Connections

IN_ORDER, AT_ONCE = struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)
"""How a socket is closed: with or without what was not read yet."""


@pytest.mark.parametrize("way", [IN_ORDER, AT_ONCE])
@pytest.mark.parametrize("accepted", [True, False])
def test_a_connection_is_lost_when_the_other_side_closes_it(way: bytes, accepted: bool) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as served,
    ):
        address = f"127.0.0.1:{server.getsockname()[1]}"
        connections = Connections(address, ()) if accepted else Connections("127.0.0.1:0", [address])
        ours, other = (served, client) if accepted else (client, served)
        assert not connections.lost()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, way)
        other.close()
        assert connections.lost()
        ours.close()
        assert not connections.lost(), "we have closed it ourselves"


def test_other_connections_do_not_count() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        connections = Connections("127.0.0.1:0", ["127.0.0.1:1", "no-such-host.invalid:1"])
        client.close()
        assert not connections.lost()
