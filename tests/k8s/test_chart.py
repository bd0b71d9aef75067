"""The chart: by helm, by Kubernetes' own schemas, and by what the processes read."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bytewax.run
import pytest
import yaml

from dataflows.process import launch
from servers.go import HELM, KUBECONFORM
from servers.process import ROOT
from settings import Settings
from tests.k8s.chart import CHART, VALUES, Document, Refused, containers, environment, helm, only, pods, rendered

# The first test may have to wait for Go.
pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("helm_runs_here")]

every_set = pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"


def labels(component: str, release: str = "ratings") -> dict[str, str]:
    return {NAME: "ratings-enrichment", INSTANCE: release, COMPONENT: component}


def conforms(manifest: str, schemas: Path, version: str) -> tuple[bool, str]:
    """What kubeconform says; the kinds of the Prometheus operator are none of Kubernetes'."""
    folder = schemas / "{{.NormalizedKubernetesVersion}}-standalone{{.StrictSuffix}}"
    place = str(folder / "{{.ResourceKind}}{{.KindSuffix}}.json")
    command = [str(KUBECONFORM.built()), "-strict", "-summary", "-kubernetes-version", version]
    command += ["-skip", "PodMonitor,PrometheusRule", "-schema-location", place]
    run = subprocess.run(
        command, input=manifest, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return run.returncode == 0, run.stdout


@every_set
def test_helm_finds_nothing_to_mend(values: Document) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=values)


@pytest.mark.parametrize("version", ["1.30.0", "1.34.0"])
def test_kubernetes_knows_every_field(version: str, schemas: Path) -> None:
    documents = [document for values in VALUES.values() for document in rendered(values)]
    conform, said = conforms(yaml.safe_dump_all(documents), schemas, version)
    assert conform, said
    assert f"{len(documents)} resources found" in said
    assert "Skipped: 2" in said


def test_a_field_that_it_does_not_know_is_found(schemas: Path) -> None:
    (service,) = [one for one in rendered() if one["kind"] == "Service"]
    conform, said = conforms(yaml.safe_dump({**service, "spec": {"clusterIp": "None"}}), schemas, "1.34.0")
    assert not conform
    assert "clusterIp" in said


def test_the_plain_manifest_is_the_chart_with_its_defaults() -> None:
    written = (ROOT / "k8s" / "ratings.yaml").read_text()
    command = [str(HELM.built()), "template", "ratings", str(CHART), "--no-hooks"]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert written.partition("\n")[2] == expected, "run `make manifest`"


def test_the_example_of_the_readme_is_accepted() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "k8s" / "README.md").read_text(), re.DOTALL)
    documents = rendered(yaml.safe_load(example))
    assert only(documents, "StatefulSet")["spec"]["replicas"] == 3
    assert only(documents, "Deployment", "ratings-notifier")


def test_its_image_is_that_of_the_project() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version[1]


# -- What is refused


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("settings.RATINGS_TOPICS=ratings", "'RATINGS_TOPICS'"),
        ("settings.KAFKA_BOOTSTRAP_SERVER=kafka:9092", "'KAFKA_BOOTSTRAP_SERVER'"),
        ("settings.KAFKA_ENABLE_AUTO_COMMIT=true", "'KAFKA_ENABLE_AUTO_COMMIT'"),
        ("settings.KAFKA_SASL_PASSWORD=secret", "'KAFKA_SASL_PASSWORD'"),
        ("settings.INTAKE_TOKEN=secretsecret", "'INTAKE_TOKEN'"),
        ("settings.AWS_SECRET_ACCESS_KEY=secret", "/settings/AWS_SECRET_ACCESS_KEY"),
        ("settings.HEALTH_PORT=1", "/settings/HEALTH_PORT"),
        ("settings.OUTPUT_FORMAT=xml", "/settings/OUTPUT_FORMAT"),
        ("settings.S3_CONCURRENCY=65", "/settings/S3_CONCURRENCY"),
        ("settings.STARTUP_TIMEOUT_SECONDS=soon", "/settings/STARTUP_TIMEOUT_SECONDS"),
        ("settings.RATINGS_TOPIC.name=ratings", "/settings/RATINGS_TOPIC"),
        ("secretFiles.SLACK_TOKEN.secret=slack", "'SLACK_TOKEN'"),
        ("secretFiles.SLACK_BOT_TOKEN.secret=slack", "/secretFiles/SLACK_BOT_TOKEN"),
        ("page.enabled=true", "'PAGE_TOKEN'"),
        ("intake.enabled=true", "'INTAKE_TOKEN'"),
        ("notifier.replicas=2", "'replicas'"),
        ("replicas=2", "'replicas'"),
        ("processes=0", "/processes"),
        ("processes=17", "/processes"),
        ("workersPerProcess=9", "processes times workersPerProcess is 18"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(value: str, named: str) -> None:
    with pytest.raises(Refused, match=re.escape(named)):
        helm("install", "ratings", str(CHART), "--dry-run=client", "--set", value)


@pytest.mark.parametrize("release", ["a.b", "1a", "a" * 53])
def test_a_release_whose_pods_could_not_be_named_is_refused(release: str) -> None:
    with pytest.raises(Refused, match="name"):
        rendered(release=release)


# -- Names


def names_in(document: Any, key: str = "") -> Iterator[str]:
    """The names of what a document refers to in its namespace."""
    if isinstance(document, list):
        for one in document:
            yield from names_in(one, key)
    elif isinstance(document, dict):
        for inner, value in document.items():
            if inner in {"serviceName", "serviceAccountName"} or (
                inner == "name" and key in {"configMap", "configMapRef", "roleRef", "subjects", "metadata"}
            ):
                yield value
            else:
                yield from names_in(value, inner)


def test_every_name_begins_with_the_release() -> None:
    documents = rendered({**VALUES["everything"], "alertRules": "# none"}, release="other")
    names = {name for document in documents for name in names_in(document)} - {"recovery"}
    assert {"other", "other-rules", "other-notifier", "other-page", "other-intake", "other-restart"} <= names
    assert [name for name in names if not re.fullmatch("other(-[a-z]+)?", name)] == []


def test_two_releases_in_a_namespace_have_nothing_in_common() -> None:
    one, other = rendered(VALUES["everything"], release="one"), rendered(VALUES["everything"], release="other")
    assert {(found["kind"], found["metadata"]["name"]) for found in one}.isdisjoint(
        (found["kind"], found["metadata"]["name"]) for found in other
    )
    assert all(pod["metadata"]["labels"][INSTANCE] == "one" for pod in pods(one))
    assert {found[INSTANCE] for found in selectors(one)} == {"one"}
    environments = [environment(one, pod, {"metadata.name": "one-0"}) for pod in pods(one)]
    assert "other" not in str(environments)


def selectors(document: Any) -> Iterator[dict[str, str]]:
    """Every selector of pods, without those of namespaces."""
    if isinstance(document, list):
        for one in document:
            yield from selectors(one)
    elif isinstance(document, dict):
        for key, value in document.items():
            if key in {"selector", "podSelector", "labelSelector"}:
                yield value.get("matchLabels", value)
            elif key != "namespaceSelector":
                yield from selectors(value)


@every_set
def test_selectors_are_those_of_pods_that_are_there(values: Document) -> None:
    documents = rendered(values)
    there = [pod["metadata"]["labels"] for pod in pods(documents)]
    wanted = [found for found in selectors(documents) if found]
    assert [found for found in wanted if not any(found.items() <= pod.items() for pod in there)] == []


# -- The processes of the flow


def flow(values: Document, pod: int, release: str = "ratings") -> dict[str, str]:
    documents = rendered(values, release)
    template = only(documents, "StatefulSet", release)["spec"]["template"]
    return environment(documents, template, {"metadata.name": f"{release}-{pod}"})


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_all_follows_from_the_number_of_processes(processes: int) -> None:
    values = {"processes": processes, "workersPerProcess": 3}
    assert only(rendered(values), "StatefulSet")["spec"]["replicas"] == processes
    variables = flow(values, processes - 1)
    run = launch([], variables)
    assert (run.process, run.processes, run.workers) == (processes - 1, processes, 3)
    assert (run.recovery_store, run.epoch.total_seconds()) == (Path("/recovery"), 1)
    hosts = [f"ratings-{process}.ratings:9999" for process in range(processes)]
    assert variables["BYTEWAX_ADDRESSES"].split(";") == hosts


def test_the_domain_of_the_cluster_makes_full_names() -> None:
    addresses = flow({"clusterDomain": "example.org"}, 0, "other")["BYTEWAX_ADDRESSES"]
    assert addresses.split(";") == [f"other-{process}.other.default.svc.example.org:9999" for process in (0, 1)]


def test_bytewax_reads_its_variables() -> None:
    source = inspect.getsource(bytewax.run)
    # The one that is missing there is read by Bytewax's web server, in Rust.
    strange = [name for name in flow({}, 0) if name.startswith("BYTEWAX_") and name not in source]
    assert strange == ["BYTEWAX_DATAFLOW_API_ENABLED"]


def test_the_store_is_made_once_and_by_the_first_pod(tmp_path: Path) -> None:
    (init,) = only(rendered(), "StatefulSet")["spec"]["template"]["spec"]["initContainers"]
    (script,) = init["args"]

    def files(pod: str) -> dict[str, int]:
        command = [*init["command"], script.replace("/recovery", str(tmp_path))]
        path = f"{Path(sys.executable).parent}:{os.defpath}"
        subprocess.run(command, env={"POD": pod, "PATH": path}, check=True)
        return {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}

    assert files("ratings-1") == {}
    made = files("ratings-0")
    assert len(made) == 4
    assert files("ratings-0") == made


# -- Settings


@every_set
def test_the_processes_take_their_settings(values: Document, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secretsecret")
    documents = rendered(values)
    for pod in pods(documents):
        variables = environment(documents, pod, {"metadata.name": "ratings-0"})
        files = {name: str(secret) for name, value in variables.items() if value.startswith("/secrets/")}
        assert Settings.load({**variables, **files}).strangers == []


def test_values_are_written_in_full() -> None:
    settings = {
        "S3_ROLL_BYTES": 1 << 40,
        "ELASTICSEARCH_GZIP": True,
        "DEAD_LETTERS_MAX_SHARE": 0.25,
        "S3_PREFIX": "007",
    }
    data = only(rendered({"settings": settings}), "ConfigMap")["data"]
    assert data == {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "S3_ROLL_BYTES": "1099511627776",
        "ELASTICSEARCH_GZIP": "true",
        "DEAD_LETTERS_MAX_SHARE": "0.25",
        "S3_PREFIX": "007",
    }


@pytest.mark.parametrize("change", [{"settings": {"LOG_LEVEL": "DEBUG"}}, {"alertRules": "# none"}, {"processes": 3}])
def test_a_change_makes_other_pods(change: Document) -> None:
    before, after = (only(rendered(values), "StatefulSet")["spec"]["template"] for values in ({}, change))
    assert before != after


def test_a_secret_is_a_file_of_the_pods_that_need_it() -> None:
    documents = rendered(VALUES["everything"])
    variables = {
        kind_and_name: environment(
            documents, only(documents, *kind_and_name)["spec"]["template"], {"metadata.name": "x"}
        )
        for kind_and_name in [
            ("StatefulSet", "ratings"),
            ("Deployment", "ratings-notifier"),
            ("Deployment", "ratings-page"),
        ]
    }
    files = [{name for name in found if name.endswith("_FILE")} for found in variables.values()]
    kafka = "KAFKA_SASL_PASSWORD_FILE"
    assert files == [{kafka}, {kafka, "SLACK_BOT_TOKEN_FILE"}, {kafka, "PAGE_TOKEN_FILE"}]
    page = only(documents, "Deployment", "ratings-page")["spec"]["template"]["spec"]
    (volume,) = [found for found in page["volumes"] if found["name"] == "secrets"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "kafka", "items": [{"key": "content", "path": "KAFKA_SASL_PASSWORD"}]}},
        {"secret": {"name": "page", "items": [{"key": "content", "path": "PAGE_TOKEN"}]}},
    ]
    (mount,) = [found for found in page["containers"][0]["volumeMounts"] if found["name"] == "secrets"]
    assert variables["Deployment", "ratings-page"]["PAGE_TOKEN_FILE"] == f"{mount['mountPath']}/PAGE_TOKEN"


def test_the_page_looks_at_every_process() -> None:
    documents = rendered(VALUES["everything"])
    variables = environment(documents, only(documents, "Deployment", "ratings-page")["spec"]["template"])
    flows = [f"http://ratings-{process}.ratings:3031" for process in range(3)]
    assert variables["STATUS_URLS"].split(",") == [*flows, "http://ratings-notifier:3031"]


def test_notes_name_the_topics_and_groups() -> None:
    notes = helm("install", "ratings", str(CHART), "--dry-run=client", values=VALUES["everything"]).partition("NOTES:")[
        2
    ]
    settings = Settings.load({"STATISTICS_TOPIC": "statistics"})
    topics = [name for name in settings.topics.model_dump().values() if name not in {"refuse", "allow"}]
    group = settings.kafka.group_id
    for name in [
        *topics,
        settings.notify.notified,
        f"{group}: Read",
        f"{group}-cluster: Read",
        f"{group}-notify: Read",
    ]:
        assert name in notes
    assert "the notifier" not in helm("install", "ratings", str(CHART), "--dry-run=client").partition("NOTES:")[2]


# -- Rights


def violations(pod: Document) -> list[str]:
    """What Kubernetes' Pod Security Standard `restricted` forbids in a pod."""
    spec, found = pod["spec"], []
    outer = spec.get("securityContext", {})
    found += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    kinds = {
        "name",
        "configMap",
        "emptyDir",
        "projected",
        "secret",
        "persistentVolumeClaim",
        "ephemeral",
        "csi",
        "downwardAPI",
    }
    found += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not volume.keys() <= kinds]
    for container in containers(pod):
        inner = {**outer, **container.get("securityContext", {})}
        wrong = {
            "privileged": inner.get("privileged", False),
            "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation", True),
            "root": not inner.get("runAsNonRoot") or inner.get("runAsUser") == 0,
            "seccomp": inner.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"},
            "capabilities": inner.get("capabilities", {}).get("drop") != ["ALL"]
            or not {*inner["capabilities"].get("add", [])} <= {"NET_BIND_SERVICE"},
            "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {name}" for name, is_so in wrong.items() if is_so]
    return found


@every_set
def test_pods_are_accepted_under_the_restricted_standard(values: Document) -> None:
    for pod in pods(rendered(values)):
        assert violations(pod) == []
        assert all(found["securityContext"]["readOnlyRootFilesystem"] for found in containers(pod))
        assert all("memory" in found["resources"]["limits"] for found in containers(pod))


def test_a_pod_with_more_rights_is_found() -> None:
    pod = {"spec": {"hostNetwork": True, "volumes": [{"name": "host", "hostPath": {}}], "containers": [{"name": "a"}]}}
    assert violations(pod) == [
        "hostNetwork",
        "volume host",
        "a: allowPrivilegeEscalation",
        "a: root",
        "a: seccomp",
        "a: capabilities",
    ]


def test_only_the_job_of_an_upgrade_may_use_kubernetes() -> None:
    documents = rendered(VALUES["everything"])
    used = {
        pod["metadata"]["labels"][COMPONENT]: pod["spec"].get("automountServiceAccountToken") for pod in pods(documents)
    }
    assert used == {"flow": False, "notifier": False, "page": False, "intake": False, "restart": None}
    assert only(documents, "Role", "ratings-restart")["rules"] == [
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "resourceNames": ["ratings"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["deletecollection"]},
    ]
    assert not any(found["kind"] == "Role" for found in rendered({"restartOnUpgrade": False}))


def test_who_reaches_which_port() -> None:
    documents = rendered(VALUES["everything"])
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert {
        document["metadata"]["name"]: document["spec"]["ingress"]
        for document in documents
        if document["kind"] == "NetworkPolicy"
    } == {
        "ratings-cluster": [
            {"ports": [{"port": "cluster"}], "from": [{"podSelector": {"matchLabels": labels("flow")}}]}
        ],
        "ratings-health": [
            {"ports": [{"port": "health"}], "from": [monitoring, {"podSelector": {"matchLabels": labels("page")}}]}
        ],
        "ratings-web": [{"ports": [{"port": "page"}, {"port": "intake"}]}],
    }


@every_set
def test_nothing_probes_the_port_of_the_cluster(values: Document) -> None:
    probed = [
        probe.get("httpGet", probe.get("tcpSocket"))["port"]
        for pod in pods(rendered(values))
        for container in containers(pod)
        for kind, probe in container.items()
        if kind.endswith("Probe")
    ]
    assert {"health"} <= {*probed} <= {"health", "page", "intake"}


# -- Monitoring


def test_the_endpoints_of_monitoring_are_ports_of_pods() -> None:
    documents = rendered(VALUES["everything"])
    ports = {
        port["name"] for pod in pods(documents) for container in containers(pod) for port in container.get("ports", [])
    }
    monitor = only(documents, "PodMonitor")
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_prometheus_is_given_the_tokens() -> None:
    (_, *others) = only(rendered(VALUES["everything"]), "PodMonitor")["spec"]["podMetricsEndpoints"]
    tokens = {other["port"]: other["authorization"]["credentials"] for other in others}
    assert tokens == {name: {"name": name, "key": "content"} for name in ("intake", "page")}


@pytest.mark.parametrize("page", ["docs/operations.md", "https://git.example.org/ratings/operations.md"])
def test_the_rules_are_those_of_the_file_with_links_to_the_runbook(page: str) -> None:
    rules = (CHART / "files" / "rules.yaml").read_text()
    values = {"prometheusRule": {"enabled": True, "runbook": page if "://" in page else ""}}
    spec = only(rendered(values), "PrometheusRule")["spec"]
    assert spec == yaml.safe_load(rules.replace("runbook_url: docs/operations.md", f"runbook_url: {page}"))
