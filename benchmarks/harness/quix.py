"""The virtual environments of Quix Streams. Its dependencies are not the project's, and differ from sink to sink."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.results import RESULTS
from servers.process import ROOT


def python(name: str) -> Path:
    """The interpreter of the environment of `requirements/NAME.txt`.

    The environment is made at the first call, and again when the requirements have changed.

    Raises:
        RuntimeError: pip could not install; the message has what it printed.
    """
    folder, requirements = RESULTS / name, ROOT / "requirements" / f"{name}.txt"
    interpreter, made_of = folder / "bin" / "python", folder / "quix.txt"
    if not made_of.exists() or made_of.read_bytes() != requirements.read_bytes():
        print(f"installing Quix Streams into {folder} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run = subprocess.run(
            [*pip, "-r", str(requirements)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if run.returncode:
            raise RuntimeError(f"Quix Streams could not be installed:\n{run.stdout}")
        shutil.copy(requirements, made_of)  # last: it says that all is there
    return interpreter
