"""Traces of a flow's steps at a collector: a real gRPC server that takes OTLP."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import grpc
import pytest

from servers.job import Job
from servers.process import free_ports

MODULE = ("bytewax.run", "tests.dataflows.raising")
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SECONDS = 60.0


class Collector(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """Keeps the requests that it gets."""

    def __init__(self) -> None:
        self.requests = Queue[bytes]()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return grpc.unary_unary_rpc_method_handler(self._take) if details.method == EXPORT else None

    def _take(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        self.requests.put(request)
        return b""


@pytest.fixture
def collector() -> Iterator[tuple[str, Collector]]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((collector,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", collector
    server.stop(None).wait()


def job(folder: Path, url: str) -> Job:
    variables = {"RAISES": "", "HEALTH_PORT": "0", "OTLP_URL": url, "OTLP_SAMPLING_RATIO": "1"}
    return Job(folder, variables, module=MODULE, recovery=0)


def test_the_steps_of_a_flow_are_traced(tmp_path: Path, collector: tuple[str, Collector]) -> None:
    url, taken = collector
    with job(tmp_path, url) as flow:
        request = taken.requests.get(timeout=SECONDS)
        assert flow.stop() == [0], flow.tail()
    assert b"service.name" in request
    assert b"raising" in request
    assert b"raising.map.flat_map_batch" in request


def test_a_flow_goes_on_without_its_collector(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with job(tmp_path, f"http://127.0.0.1:{port}") as flow:
        deadline = time.monotonic() + SECONDS
        while "OpenTelemetry trace error" not in flow.tail():
            assert time.monotonic() < deadline, flow.tail()
            time.sleep(0.1)
        assert flow.stop() == [0], flow.tail()
