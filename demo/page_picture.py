"""``python -m demo.page_picture FILE``: runs the demo, and takes a picture of its live page. It needs Chromium."""

import argparse
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from servers.chromium import CHROMIUM, unavailable

_SECONDS = 300
_RATE = 100
_SHOWN_RATINGS = 50
_FILLING_SECONDS = 60
_WIDTH, _HEIGHT = 1440, 1170


def main() -> int:
    """Take the picture; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.page_picture", description=__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    if (reason := unavailable()) is not None:
        print(reason, file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "demo", "--for", str(_SECONDS), "--rate", str(_RATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            picture(_address(demo), file)
        finally:
            demo.terminate()
            demo.communicate()
    return 0


def _address(demo: "subprocess.Popen[str]") -> str:
    for line in demo.stdout or ():
        if line.startswith("page: "):
            return line.removeprefix("page: ").strip()
    raise RuntimeError("the demo ended before it told where the page is")


def picture(address: str, file: Path) -> None:
    """Take a picture of the page at an address, once it is full."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        page.goto(address)
        page.locator(".feed li").nth(_SHOWN_RATINGS - 1).wait_for(timeout=_SECONDS * 1000)
        page.wait_for_timeout(_FILLING_SECONDS * 1000)
        page.screenshot(path=file)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
