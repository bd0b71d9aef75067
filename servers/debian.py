"""Programs from Debian's packages, unpacked beside the system: nothing is installed, nobody needs to be root."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from servers.once import SERVERS, once

CACHE = SERVERS / "debian"
TOOLS = ("apt-get", "dpkg-deb")


def unavailable(package: str, program: str) -> str | None:
    """The reason why `program`, which `package` has, cannot run here; None where it can."""
    if _installed(program) or (CACHE / package).exists():
        return None
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"no `{program}` on the PATH, and no `{tool}` to get Debian's {package} with"
    return None


def program(package: str, name: str) -> list[str]:
    """The beginning of a command line that runs `name`: the one of this machine, or else of Debian's `package`.

    The package and the libraries that the machine lacks are downloaded at the first call.

    Raises:
        RuntimeError: apt or dpkg failed, the message has what it printed; or the package has no such program.
    """
    if installed := _installed(name):
        return [installed]
    folder = once(CACHE / package, partial(_unpack, package))
    for place in ("usr/sbin", "usr/bin"):
        if (folder / place / name).exists():
            libraries = os.pathsep.join(str(found) for found in sorted(folder.glob("**/lib/*-linux-gnu")))
            return ["env", f"LD_LIBRARY_PATH={libraries}", str(folder / place / name)]
    raise RuntimeError(f"Debian's {package} has no program {name}")


def _installed(program: str) -> str | None:
    # Debian has servers in a folder that is not on everybody's PATH.
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


def _unpack(package: str, into: Path) -> Path:
    apt, root = into / "apt", into / "root"
    for needed in ("lists/partial", "archives/partial"):
        (apt / needed).mkdir(parents=True)
    # Lists and archives of our own, so that nothing belongs to root; the list of what is installed is the
    # machine's, so that only what it lacks is downloaded.
    ours = [f"Dir::State::Lists={apt}/lists", f"Dir::Cache={apt}", "Debug::NoLocking=1", "APT::Sandbox::User="]
    options = [argument for option in ours for argument in ("-o", option)]
    _run(["apt-get", *options, "-q", "update"])
    _run(["apt-get", *options, "-q", "-y", "--no-install-recommends", "--download-only", "install", package])
    for archive in sorted((apt / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(root)])
    return root


def _run(command: list[str]) -> None:
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{run.stdout}")
