"""Programs from Debian's packages, by tools that stand in for apt and dpkg: they unpack at once, or fail."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers import debian

APT = """\
#!/bin/sh
case "$*" in
  *fails*) echo "E: Unable to locate package fails"; exit 100;;
  *install*) for word in "$@"; do case $word in Dir::Cache=*) touch "${word#Dir::Cache=}/archives/a.deb";; esac; done;;
esac
"""
DPKG = """\
#!/bin/sh
mkdir -p "$3/usr/sbin" "$3/usr/lib/x86_64-linux-gnu"
printf '#!/bin/sh\\necho "$LD_LIBRARY_PATH"\\n' > "$3/usr/sbin/served"
chmod +x "$3/usr/sbin/served"
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tools; nothing is unpacked before."""
    monkeypatch.setattr(debian, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, text in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_it_is_unpacked_once_and_finds_its_libraries(tools: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        (command,) = {tuple(found) for found in threads.map(lambda _: debian.program("server", "served"), range(4))}
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(debian.CACHE / "server" / "usr" / "lib" / "x86_64-linux-gnu")
    assert list(debian.CACHE.iterdir()) == [debian.CACHE / "server"]
    (tools / "apt-get").unlink()
    assert debian.program("server", "served") == list(command)


def test_what_is_installed_is_taken(tools: Path) -> None:
    assert debian.program("fails", "apt-get") == [str(tools / "apt-get")]


def test_a_failure_says_why_and_leaves_nothing(tools: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)apt-get failed:\nE: Unable to locate package fails"):
        debian.program("fails", "served")
    assert list(debian.CACHE.iterdir()) == []
    with pytest.raises(RuntimeError, match="Debian's server has no program other"):
        debian.program("server", "other")


def test_without_the_tools(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert debian.unavailable("server", "served") is None
    (tools / "dpkg-deb").unlink()
    monkeypatch.setenv("PATH", str(tools))
    assert debian.unavailable("server", "served") == (
        "no `served` on the PATH, and no `dpkg-deb` to get Debian's server with"
    )
    (debian.CACHE / "server").mkdir(parents=True)
    assert debian.unavailable("server", "served") is None
