"""Plays the nodes of a control plane: pods become ready, and those of Jobs run as processes here."""

import os
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

from servers.control_plane import ControlPlane
from servers.process import Startable
from tests.k8s.chart import Document

_SECONDS = 0.2
_CONDITIONS = "PodScheduled", "Initialized", "ContainersReady", "Ready"


class Nodes(Startable):
    """Looks after all pods of a control plane.

    Args:
        plane: runs.
        folder: for the files that Kubernetes mounts into the pods of Jobs.
    """

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self._plane, self._folder = plane, folder
        self.unready: set[str] = set()
        """The names of pods that are not to become ready."""
        self.printed: list[str] = []
        """What each pod of a Job has printed."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @override
    def start(self) -> None:
        self._thread.start()

    @override
    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_SECONDS):
            for pod in self._plane.call("GET", "/api/v1/pods")["items"]:
                try:
                    self._look_after(pod)
                except httpx.HTTPStatusError as error:  # it may be gone by now
                    if error.response.status_code not in {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT}:
                        raise

    def _look_after(self, pod: Document) -> None:
        phase, is_ready = pod["status"]["phase"], pod["metadata"]["name"] not in self.unready
        if pod["metadata"].get("ownerReferences", [{}])[0].get("kind") == "Job":
            if phase == "Pending":
                run = self._job(pod)
                self.printed.append(run.stdout + run.stderr)
                self._tell(pod, "Failed" if run.returncode else "Succeeded", is_ready=False)
        elif phase == "Pending" or (is_ready and not _is_ready(pod)):
            self._tell(pod, "Running", is_ready)

    def _job(self, pod: Document) -> "subprocess.CompletedProcess[str]":
        """Run the pod's only container."""
        (container,) = pod["spec"]["containers"]
        server = urlsplit(self._plane.url)
        variables = {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
            "SERVICE_ACCOUNT": str(self._account(pod)),
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        }
        command = container["args"]
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)

    def _account(self, pod: Document) -> Path:
        """The folder of the pod's service account, empty if its token is not mounted."""
        space, name = pod["metadata"]["namespace"], pod["spec"]["serviceAccountName"]
        folder = self._folder / str(pod["metadata"]["name"])
        folder.mkdir()
        if has_token(pod):
            path = f"/api/v1/namespaces/{space}/serviceaccounts/{name}/token"
            token = self._plane.call("POST", path, {"spec": {}})["status"]["token"]
            (folder / "token").write_text(token)
            (folder / "ca.crt").write_bytes(self._plane.authority.read_bytes())
            (folder / "namespace").write_text(space)
        return folder

    def _tell(self, pod: Document, phase: str, is_ready: bool) -> None:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"Ready": is_ready, "ContainersReady": is_ready}
        conditions = [
            {"type": name, "status": str(ready.get(name, True)), "lastTransitionTime": now} for name in _CONDITIONS
        ]
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
        status = {"phase": phase, "startTime": now, "podIP": "10.9.0.1", "conditions": conditions}
        self._plane.call("PATCH", path, {"status": status}, "application/merge-patch+json")


def has_token(pod: Document) -> bool:
    """Whether Kubernetes mounts the token of its service account."""
    return any(volume["name"].startswith("kube-api-access") for volume in pod["spec"].get("volumes", []))


def _is_ready(pod: Document) -> bool:
    conditions: list[dict[str, Any]] = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
