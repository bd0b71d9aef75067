"""The manifest: by Kubernetes' own schemas, and by what the job and Bytewax read."""

import inspect
from typing import Any

import bytewax.run
import kubernetes_validate
import pytest
import yaml

from servers.process import ROOT

DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "k8s" / "ratings.yaml").read_text()))


@pytest.mark.parametrize("version", ["1.30", "1.34"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_it_is_valid(document: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_a_fault_is_found() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**DOCUMENTS[2], "spec": {"replicas": "two"}}, "1.34", strict=True)


def test_bytewax_reads_its_variables() -> None:
    (container,) = DOCUMENTS[2]["spec"]["template"]["spec"]["containers"]
    source = inspect.getsource(bytewax.run)
    names = {variable["name"] for variable in container["env"]}
    # These two are read by Bytewax's web server, in Rust.
    assert {name for name in names if name not in source} == {
        "BYTEWAX_DATAFLOW_API_ENABLED",
        "BYTEWAX_DATAFLOW_API_CACHE_PATH",
    }


def test_there_are_as_many_processes_as_hosts() -> None:
    (init,) = DOCUMENTS[2]["spec"]["template"]["spec"]["initContainers"]
    processes = {variable["name"]: variable.get("value") for variable in init["env"]}["RATINGS_PROCESSES"]
    assert int(str(processes)) == DOCUMENTS[2]["spec"]["replicas"]
