"""Write what helm makes of our values, and the keys that the chart knows: ``python -m tests.waxctl.render CLONE``.

CLONE is a clone of Bytewax's public chart, github.com/bytewax/helm-charts. It needs git and helm.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from servers.process import ROOT

COMMIT = "386a5a06b3d589ffeda40564c2c08c759aaab645"
"""Of chart 0.8.1: git's hash of its whole content."""
RELEASE, NAMESPACE = "ratings", "flights"

VALUES = ROOT / "k8s" / "waxctl" / "values.yaml"
KEYS = Path(__file__).with_name("keys.txt")
RENDERED = Path(__file__).with_name("rendered.yaml")


def heading() -> str:
    """The first line of a rendering of our present values."""
    digest = sha256(VALUES.read_bytes()).hexdigest()
    return f"# Made by python -m tests.waxctl.render, of values with the SHA-256 {digest}.\n"


def keys(values: dict[str, Any], templates: str, before: str = "") -> Iterator[str]:
    """The paths of all keys. One that ends with `.*` may have any key: it is empty, or a template takes it as it is."""
    for name, value in values.items():
        path = f"{before}{name}"
        if value in ({}, []) or f"toYaml .Values.{path} " in templates:
            yield f"{path}.*"
        elif isinstance(value, dict):
            yield from keys(value, templates, f"{path}.")
        else:
            yield path


def main(clone: str) -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "-C", clone, "archive", COMMIT, "charts/bytewax"], check=True, stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        chart = Path(folder) / "charts" / "bytewax"
        about = yaml.safe_load((chart / "Chart.yaml").read_text())
        # Other charts, all of them off.
        del about["dependencies"]
        (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
        (chart / "Chart.lock").unlink()
        command = ["helm", "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--values", str(VALUES)]
        rendered = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        RENDERED.write_text(heading() + re.sub(" +$", "", rendered, flags=re.MULTILINE))
        templates = "".join(template.read_text() for template in chart.glob("templates/*.yaml"))
        known = keys(yaml.safe_load((chart / "values.yaml").read_text()), templates)
        KEYS.write_text("".join(f"{key}\n" for key in sorted(known)))


if __name__ == "__main__":
    main(*sys.argv[1:])
