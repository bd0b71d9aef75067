"""``python -m demo.page_picture FILE``: runs the demo, and takes a picture of its live page. It needs Chromium."""

import subprocess
import sys
from pathlib import Path

from demo.pictures import chromium, file_to_draw

_SECONDS = 300
_RATE = 100
_SHOWN_RATINGS = 50
_FILLING_SECONDS = 60
_WIDTH, _HEIGHT = 1440, 1170


def main() -> None:
    """Take the picture."""
    file = file_to_draw("demo.page_picture", __doc__)
    command = [sys.executable, "-m", "demo", "--for", str(_SECONDS), "--rate", str(_RATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            picture(_address(demo), file)
        finally:
            demo.terminate()
            demo.communicate()


def _address(demo: "subprocess.Popen[str]") -> str:
    for line in demo.stdout or ():
        if line.startswith("page: "):
            return line.removeprefix("page: ").strip()
    raise RuntimeError("the demo ended before it told where the page is")


def picture(address: str, file: Path) -> None:
    """Take a picture of the page at an address, once it is full."""
    with chromium(_WIDTH, _HEIGHT) as page:
        page.goto(address)
        page.locator(".feed li").nth(_SHOWN_RATINGS - 1).wait_for(timeout=_SECONDS * 1000)
        page.wait_for_timeout(_FILLING_SECONDS * 1000)
        page.screenshot(path=file)


if __name__ == "__main__":
    main()
