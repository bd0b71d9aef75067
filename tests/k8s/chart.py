"""The chart, rendered by helm with some values."""

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from servers.go import HELM
from servers.process import ROOT

Document = dict[str, Any]
Values = Mapping[str, Any]

CHART = ROOT / "k8s" / "chart"


def _secret(name: str) -> dict[str, str]:
    return {"secret": name, "key": "content"}


VALUES: dict[str, Values] = {
    "default": {},
    "alone": {"processes": 1, "podDisruptionBudget": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "workers": {"processes": 8, "workersPerProcess": 2, "clusterDomain": "example.org", "restartOnUpgrade": False},
    "branches": {
        "settings": {
            "KAFKA_BOOTSTRAP_SERVERS": "one:9092,two:9092",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "ratings",
            "ELASTICSEARCH_URL": "https://elasticsearch:9200",
            "ELASTICSEARCH_GZIP": True,
            "S3_BUCKET": "ratings",
            "S3_ROLL_BYTES": 67108864,
            "DEAD_LETTERS_MAX_SHARE": 0.25,
            "AWS_REGION": "eu-west-1",
        },
        "alertRules": (ROOT / "dataflows" / "rules.toml").read_text(),
        "secretEnv": ["aws"],
        "secretFiles": {"KAFKA_SASL_PASSWORD": _secret("kafka"), "ELASTICSEARCH_API_KEY": _secret("search")},
    },
    "everything": {
        "processes": 3,
        "settings": {"STATISTICS_TOPIC": "statistics", "SLACK_CHANNEL": "C0123456789"},
        "secretFiles": {"KAFKA_SASL_PASSWORD": _secret("kafka")},
        "notifier": {"enabled": True, "secretFiles": {"SLACK_BOT_TOKEN": _secret("slack")}},
        "page": {"enabled": True, "secretFiles": {"PAGE_TOKEN": _secret("page")}},
        "intake": {"enabled": True, "secretFiles": {"INTAKE_TOKEN": _secret("intake")}},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
    },
    "placed": {
        "image": {"repository": "registry.example.org/ratings", "tag": "1.2.3"},
        "imagePullSecrets": ["registry"],
        "recovery": {"size": "10Gi", "storageClassName": "fast"},
        "topologySpread": {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "ratings", "operator": "Exists"}],
        "priorityClassName": "high",
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/ratings"}},
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.pem"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
    },
}
"""Six sets of values, which together use every value of the chart."""


class Refused(Exception):
    """Helm refuses the values; the message is what it says."""


def helm(*words: str, values: Values | None = None) -> str:
    """Run helm on the chart, and return what it prints.

    Raises:
        Refused
    """
    command = [str(HELM.built()), *words, "--values", "-"]
    run = subprocess.run(command, input=yaml.safe_dump(values or {}), capture_output=True, text=True, check=False)
    if run.returncode:
        raise Refused(run.stdout + run.stderr)
    return run.stdout


@cache
def manifest(values: str, release: str) -> str:
    """What helm makes of values in YAML."""
    return helm("template", release, str(CHART), values=yaml.safe_load(values))


def rendered(values: Values | None = None, release: str = "ratings") -> list[Document]:
    """The documents of an installation, the hooks included."""
    text = manifest(yaml.safe_dump(values or {}), release)
    return [document for document in yaml.safe_load_all(text) if document is not None]


def only(documents: list[Document], kind: str, name: str = "ratings") -> Document:
    """The document of a kind and a name."""
    (found,) = [one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods(documents: list[Document]) -> Iterator[Document]:
    """The templates of pods."""
    yield from (found["spec"]["template"] for found in documents if "template" in found.get("spec", {}))


def containers(pod: Document) -> list[Document]:
    """The containers of a pod, those before its start included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(documents: list[Document], pod: Document, fields: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a pod's process, without those of Secrets.

    Args:
        documents: with the ConfigMaps.
        pod: the template of the pod.
        fields: values of the fields of the pod that variables are made from, by path.
    """
    (container,) = pod["spec"]["containers"]
    maps = [source["configMapRef"]["name"] for source in container.get("envFrom", []) if "configMapRef" in source]
    variables = {name: value for one in maps for name, value in only(documents, "ConfigMap", one)["data"].items()}
    for variable in container.get("env", []):
        field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        variables[variable["name"]] = variable["value"] if field is None else (fields or {})[field]
    return variables
