"""Kubernetes without nodes: etcd, the API server and the controllers on free ports of 127.0.0.1. No container runs."""

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

from servers.go import KUBERNETES
from servers.process import Process, Startable, free_ports

REQUEST_SECONDS = 30.0


def unavailable() -> str | None:
    """The reason why it cannot run here; None where it can."""
    return KUBERNETES.unavailable()


class ControlPlane(Startable):
    """A control plane, and `kubeconfig` for an administrator of it.

    It keeps everything in `folder`: data, certificates and logs. Pods stay pending until somebody plays the nodes.

    Args:
        folder: is made when it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.kubeconfig = self.folder / "kubeconfig"
        self._ports = dict(zip(("etcd", "peers", "apiserver", "controllers"), free_ports(4), strict=True))
        self.url = self._url("apiserver")
        self._token = secrets.token_hex(16)
        self._parts = [Process(name, self.folder / f"{name}.log") for name in ("etcd", "apiserver", "controllers")]
        self._client = httpx.Client(
            timeout=REQUEST_SECONDS,
            verify=False,  # noqa: S501  # each part makes itself a certificate
            headers={"Authorization": f"Bearer {self._token}"},
        )

    @property
    def authority(self) -> Path:
        """The certificate that clients of the API server trust."""
        return self.folder / "certificates" / "apiserver.crt"

    @override
    def start(self) -> None:
        """Start the parts, one after the other.

        Raises:
            RuntimeError: one does not start; the message has the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "accounts.key").write_bytes(_key())
        (self.folder / "tokens").write_text(f"{self._token},admin,admin,system:masters\n")
        self.kubeconfig.write_text(json.dumps(self._access()))
        try:
            for part, (options, health) in zip(self._parts, self._commands(), strict=True):
                command = [str(KUBERNETES.built()), part.name, *options]
                part.start(command, lambda health=health: self._answers(health))  # type: ignore[misc]
        except BaseException:
            self.stop()
            raise

    @override
    def stop(self) -> None:
        for part in reversed(self._parts):
            part.stop()

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str) -> Any:
        """Ask the API server as an administrator; return what it answers.

        Args:
            method: of HTTP.
            path: below the server's address.
            body: is sent as JSON.
            kind: the media type of the body, which tells kinds of patches apart.
            query: parameters.

        Raises:
            httpx.HTTPStatusError: the server refuses.
        """
        content = None if body is None else json.dumps(body)
        answer = self._client.request(
            method, f"{self.url}{path}", content=content, params=query, headers={"Content-Type": kind}
        )
        answer.raise_for_status()
        return answer.json()

    def _commands(self) -> list[tuple[list[str], str]]:
        """The options of each part, and an address that answers once it serves."""
        folder, ports = self.folder, self._ports
        etcd, peers = f"http://127.0.0.1:{ports['etcd']}", f"http://127.0.0.1:{ports['peers']}"
        key = folder / "accounts.key"
        return [
            (
                [
                    f"--data-dir={folder / 'etcd'}",
                    f"--listen-client-urls={etcd}",
                    f"--advertise-client-urls={etcd}",
                    f"--listen-peer-urls={peers}",
                    f"--initial-advertise-peer-urls={peers}",
                    f"--initial-cluster=default={peers}",
                    "--unsafe-no-fsync",
                ],
                f"{etcd}/health",
            ),
            (
                [
                    f"--etcd-servers={etcd}",
                    "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1",
                    f"--secure-port={ports['apiserver']}",
                    f"--cert-dir={folder / 'certificates'}",
                    "--service-cluster-ip-range=10.0.0.0/24",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    f"--service-account-key-file={key}",
                    f"--service-account-signing-key-file={key}",
                    f"--token-auth-file={folder / 'tokens'}",
                    "--authorization-mode=RBAC",
                    "--endpoint-reconciler-type=none",
                ],
                f"{self.url}/readyz",
            ),
            (
                [
                    f"--kubeconfig={self.kubeconfig}",
                    "--bind-address=127.0.0.1",
                    f"--secure-port={ports['controllers']}",
                    f"--cert-dir={folder / 'certificates'}",
                    f"--service-account-private-key-file={key}",
                    f"--root-ca-file={self.authority}",
                    "--leader-elect=false",
                ],
                f"{self._url('controllers')}/healthz",
            ),
        ]

    def _url(self, part: str) -> str:
        return f"https://127.0.0.1:{self._ports[part]}"

    def _answers(self, address: str) -> bool:
        try:
            return self._client.get(address).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _access(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}],
            "current-context": "here",
        }


def _key() -> bytes:
    """A key that signs the tokens of service accounts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
