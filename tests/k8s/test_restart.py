"""The restart of all processes after an upgrade, at a stand-in for Kubernetes' API."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from servers.process import ROOT

SCRIPT = ROOT / "k8s" / "chart" / "files" / "restart.py"


class Api(ThreadingHTTPServer):
    """Has one StatefulSet, whose controller sees a change when it is asked for the third time, and its pods."""

    def __init__(self, account: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(account / "ca.crt", account / "key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.may_delete = True
        self.asked = 0
        self.pods = {"ratings-0": "old", "ratings-1": "old", "ratings-2": "new"}

    def answer(self, method: str, path: str, query: str) -> tuple[int, Any]:
        if (method, path) == ("GET", "/apis/apps/v1/namespaces/flights/statefulsets/ratings"):
            self.asked += 1
            revision = "new" if self.asked >= 3 else "old"
            status = {"observedGeneration": min(self.asked, 3), "updateRevision": revision}
            return 200, {"metadata": {"generation": 3}, "status": status}
        if (method, path) == ("DELETE", "/api/v1/namespaces/flights/pods") and self.may_delete:
            (selector,) = parse_qs(query)["labelSelector"]
            kept = re.fullmatch("app=ratings,controller-revision-hash!=(.*)", selector)
            stale = [name for name, revision in self.pods.items() if kept is not None and revision != kept[1]]
            return 200, {"items": [self.pods.pop(name) for name in stale]}
        return 403, {}


class Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Api)
        url = urlsplit(self.path)
        status, body = self.server.answer(self.command, url.path, url.query)
        self.send_response(status if self.headers["Authorization"] == "Bearer token of the pod" else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder of a pod's service account; its authority's certificate is that of the stand-in, too."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kubernetes"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "ca.crt"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "token").write_text("token of the pod")
    (tmp_path / "namespace").write_text("flights")
    return tmp_path


@pytest.fixture
def api(account: Path) -> Iterator[Api]:
    with Api(account) as api:
        Thread(target=api.serve_forever, daemon=True).start()
        yield api
        api.shutdown()


def restart(account: Path, port: int) -> "subprocess.CompletedProcess[str]":
    place = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.read_text(), "ratings", "app=ratings"],
        env={**place, "SERVICE_ACCOUNT": str(account)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_pods_of_an_older_revision_are_deleted_together(account: Path, api: Api) -> None:
    run = restart(account, api.server_port)
    assert (run.returncode, run.stdout) == (0, "restarting 2 pods of ratings\n"), run.stderr
    assert api.pods == {"ratings-2": "new"}
    run = restart(account, api.server_port)
    assert (run.returncode, run.stdout) == (0, "restarting 0 pods of ratings\n"), run.stderr


def test_a_refusal_is_one_line(account: Path, api: Api) -> None:
    api.may_delete = False
    run = restart(account, api.server_port)
    assert (run.returncode, run.stderr) == (1, "restart: HTTP Error 403: Forbidden\n")


def test_a_server_that_is_not_there_is_one_line(account: Path, api: Api) -> None:
    port = api.server_port
    api.shutdown()
    api.server_close()
    run = restart(account, port)
    assert run.returncode == 1
    assert re.fullmatch("restart: .*Connection refused.*\n", run.stderr)
