"""compose.yaml, as Docker Compose's own library reads it."""

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from servers.go import COMPOSE
from servers.process import ROOT

Service = dict[str, Any]
FILE = ROOT / "compose.yaml"
VARIABLES = ("PAGE_TOKEN_FILE", "INTAKE_TOKEN_FILE", "SLACK_BOT_TOKEN_FILE", "SLACK_CHANNEL")
"""Those of a person's shell that the file reads."""


class Refused(Exception):
    """The file is refused; the message is what the library says."""


@cache
def project(file: Path = FILE) -> Mapping[str, Any]:
    """The project of a file, with all defaults and merges.

    Raises:
        Refused
    """
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    run = subprocess.run([COMPOSE.built(), file], env=plain, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Refused(run.stderr)
    return dict(json.loads(run.stdout))


def services() -> dict[str, Service]:
    """All services by name."""
    return dict(project()["services"])


def ours() -> dict[str, Service]:
    """The services that run the image of this project."""
    return {name: service for name, service in services().items() if "build" in service}


def waited_for(condition: str) -> set[str]:
    """The services that others wait for, by the condition."""
    waits = [wait for service in services().values() for wait in service.get("depends_on", {}).items()]
    return {name for name, how in waits if how["condition"] == condition}


def secret_files() -> dict[str, str]:
    """The files of secrets by their paths in a container."""
    return {f"/run/secrets/{name}": secret["file"] for name, secret in project()["secrets"].items()}
