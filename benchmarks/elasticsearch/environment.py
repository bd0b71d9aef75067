"""The virtual environment of Quix Streams, whose dependencies are not the project's."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.results import RESULTS
from servers.process import ROOT

REQUIREMENTS = ROOT / "requirements" / "quix.txt"
FOLDER = RESULTS / "quix"


def python() -> Path:
    """Its interpreter; it is made at the first call, and anew when the requirements have changed.

    Raises:
        RuntimeError: pip could not install; the message has what it printed.
    """
    interpreter, made_of = FOLDER / "bin" / "python", FOLDER / REQUIREMENTS.name
    if not made_of.exists() or made_of.read_bytes() != REQUIREMENTS.read_bytes():
        print(f"installing Quix Streams into {FOLDER} (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run = subprocess.run(
            [*pip, "-r", str(REQUIREMENTS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if run.returncode:
            raise RuntimeError(f"Quix Streams could not be installed:\n{run.stdout}")
        shutil.copy(REQUIREMENTS, made_of)  # last: it says that all is there
    return interpreter
