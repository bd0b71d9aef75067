"""The tools that check the chart; the first test waits until Go has built them."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from servers.go import HELM, KUBECONFORM
from tests.conftest import require


@pytest.fixture(scope="session")
def helm_runs_here() -> None:
    """Skip, or fail on CI, where helm cannot be built."""
    require(HELM.unavailable())
    HELM.built()


@pytest.fixture(scope="session")
def schemas(helm_runs_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kubernetes' schemas as kubeconform looks for them, from the package of another tool; kubeconform is there."""
    KUBECONFORM.built()
    packed = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    folder = tmp_path_factory.mktemp("schemas")
    for version in ("v1.30.0", "v1.34.0"):
        place = folder / f"{version}-standalone-strict"
        place.mkdir()
        for file in (packed / f"{version}-local-strict").glob("*.json"):
            schema = json.loads(file.read_text(), object_hook=_beside)
            (place / file.name).write_text(json.dumps(schema))
    return folder


def _beside(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema that refers to the file beside it, where it named a place on the web."""
    named = {key: value for key, value in part.items() if key in {"$id", "$ref"} and isinstance(value, str)}
    references = {key: value.removeprefix("/api/") for key, value in named.items() if key == "$ref"}
    return {key: value for key, value in part.items() if key not in named} | references
