"""The chart and the plain manifest on a real API server with its controllers. ``make kubernetes`` runs it."""

import os
import subprocess
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
import yaml

from servers import control_plane
from servers.control_plane import ControlPlane
from servers.go import HELM
from servers.process import ROOT
from tests.conftest import require
from tests.k8s.chart import CHART, VALUES, Document, Values
from tests.k8s.nodes import Nodes, has_token

pytestmark = [pytest.mark.timeout(3000)]

SECONDS = 90.0
SPACE = "flights"
KINDS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}


class Cluster:
    """A namespace that admits pods by the Pod Security Standard `restricted`, and helm."""

    def __init__(self, plane: ControlPlane, nodes: Nodes) -> None:
        self.plane, self.nodes = plane, nodes

    def pods(self, **labels: str) -> dict[str, Document]:
        """Its pods by name."""
        selector = ",".join(f"app.kubernetes.io/{name}={value}" for name, value in labels.items())
        found = self.plane.call("GET", f"/api/v1/namespaces/{SPACE}/pods?labelSelector={quote(selector)}")["items"]
        return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def flow(self, count: int, other_than: list[str] | None = None) -> dict[str, str]:
        """Wait until the flow has so many ready pods, none of them among ``other_than``; their ids by name."""
        deadline = time.monotonic() + SECONDS
        while True:
            pods = self.pods(component="flow")
            ids = {name: pod["metadata"]["uid"] for name, pod in pods.items()}
            status = self.stateful().get("status", {})
            is_new = set(ids.values()).isdisjoint(other_than or [])
            if is_new and len(ids) == status.get("readyReplicas") == status.get("replicas") == count:
                return ids
            assert time.monotonic() < deadline, (ids, status)
            time.sleep(0.2)

    def stateful(self, name: str = "ratings") -> Document:
        """The StatefulSet."""
        return self.plane.call("GET", f"{KINDS['StatefulSet'].format(SPACE)}/{name}")  # type: ignore[no-any-return]

    def evict(self, pod: str) -> int:
        """Ask for the eviction of a pod; return the status of the answer."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": SPACE}}
        try:
            self.plane.call("POST", f"/api/v1/namespaces/{SPACE}/pods/{pod}/eviction", body)
        except httpx.HTTPStatusError as error:
            return error.response.status_code
        return httpx.codes.CREATED

    def helm(self, *words: str, values: Values | None = None) -> "subprocess.CompletedProcess[str]":
        """Run helm in the namespace."""
        with_values = [] if values is None else ["--values", "-"]
        return subprocess.run(
            [str(HELM.built()), *words, "--namespace", SPACE, *with_values],
            input=yaml.safe_dump(values),
            env={**os.environ, "KUBECONFIG": str(self.plane.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def cluster(helm_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require(control_plane.unavailable())
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(folder / "plane") as plane, Nodes(plane, folder) as nodes:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE, "labels": labels}})
        yield Cluster(plane, nodes)


@pytest.fixture
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """The chart with its default values: two processes."""
    run = cluster.helm("install", "ratings", str(CHART), "--wait", values={})
    assert run.returncode == 0, run.stderr
    yield cluster
    run = cluster.helm("uninstall", "ratings", "--wait")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_every_set_of_values_is_accepted(cluster: Cluster, values: Values) -> None:
    without_operator = {**values, "podMonitor": {"enabled": False}, "prometheusRule": {"enabled": False}}
    run = cluster.helm("install", "ratings", str(CHART), "--dry-run=server", values=without_operator)
    assert run.returncode == 0, run.stderr
    assert "kind: StatefulSet" in run.stdout


@pytest.mark.parametrize("how", ["--dry-run=server", "--dry-run=client"])
def test_a_misspelt_setting_is_refused_by_name(cluster: Cluster, how: str) -> None:
    run = cluster.helm("install", "ratings", str(CHART), how, values={"settings": {"S3_BUCKT": "ratings"}})
    assert run.returncode != 0
    assert "S3_BUCKT" in run.stderr


def test_an_upgrade_restarts_all_pods_together(installed: Cluster) -> None:
    before = installed.flow(2)
    run = installed.helm("upgrade", "ratings", str(CHART), values={"settings": {"KAFKA_GROUP_ID": "other"}})
    assert run.returncode == 0, run.stderr
    assert installed.nodes.printed[-1] == "restarting 2 pods of ratings\n"
    upgraded = installed.flow(2, other_than=[*before.values()])
    revisions = {pod["metadata"]["labels"]["controller-revision-hash"] for pod in installed.pods().values()}
    assert revisions == {installed.stateful()["status"]["updateRevision"]}
    run = installed.helm("rollback", "ratings")
    assert run.returncode == 0, run.stderr
    installed.flow(2, other_than=[*upgraded.values()])


@pytest.mark.parametrize("processes", [3, 1])
def test_another_number_of_processes(installed: Cluster, processes: int) -> None:
    before = installed.flow(2)
    run = installed.helm("upgrade", "ratings", str(CHART), values={"processes": processes})
    assert run.returncode == 0, run.stderr
    installed.flow(processes, other_than=[*before.values()])


def test_an_eviction_waits_until_the_flow_is_ready(installed: Cluster) -> None:
    before = installed.flow(2)
    installed.nodes.unready.add("ratings-0")
    assert installed.evict("ratings-0") == httpx.codes.CREATED
    deadline = time.monotonic() + SECONDS
    while installed.evict("ratings-1") != httpx.codes.TOO_MANY_REQUESTS:
        assert installed.pods()["ratings-1"]["metadata"]["uid"] == before["ratings-1"]
        assert time.monotonic() < deadline
    installed.nodes.unready.clear()
    after = installed.flow(2)
    assert (after["ratings-1"], after["ratings-0"] == before["ratings-0"]) == (before["ratings-1"], False)


def test_pods_of_the_flow_have_no_token(installed: Cluster) -> None:
    installed.flow(2)
    assert not any(has_token(pod) for pod in installed.pods(component="flow").values())


def test_the_volumes_stay(cluster: Cluster) -> None:
    path = f"/api/v1/namespaces/{SPACE}/persistentvolumeclaims"
    claims = [claim["metadata"]["name"] for claim in cluster.plane.call("GET", path)["items"]]
    assert "recovery-ratings-0" in claims


def test_the_plain_manifest_is_applied_and_deleted(cluster: Cluster) -> None:
    documents = [one for one in yaml.safe_load_all((ROOT / "k8s" / "ratings.yaml").read_text()) if one]
    places = {f"{KINDS[one['kind']].format(SPACE)}/{one['metadata']['name']}": one for one in documents}
    for _ in range(2):  # a second time changes nothing, and is accepted
        for place, document in places.items():
            query = {"fieldManager": "test", "fieldValidation": "Strict"}
            cluster.plane.call("PATCH", place, document, "application/apply-patch+yaml", **query)
    first = cluster.flow(2)
    path = f"/api/v1/namespaces/{SPACE}/pods?labelSelector={quote('app.kubernetes.io/component=flow')}"
    cluster.plane.call("DELETE", path)
    cluster.flow(2, other_than=[*first.values()])
    for place in places:
        cluster.plane.call("DELETE", place)
    deadline = time.monotonic() + SECONDS
    while cluster.pods():
        assert time.monotonic() < deadline
        time.sleep(0.2)
