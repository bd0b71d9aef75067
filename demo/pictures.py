"""What the commands that draw pictures share: the file that is named to them, and a page of Chromium."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from servers.chromium import CHROMIUM, unavailable


def file_to_draw(module: str, description: str | None) -> Path:
    """The file that the command ``python -m MODULE FILE`` is to write; its folder is there.

    Raises:
        SystemExit: there is no Chromium.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    if (reason := unavailable()) is not None:
        raise SystemExit(reason)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@contextmanager
def chromium(width: int, height: int) -> Iterator[Page]:
    """An empty page of so many pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()
