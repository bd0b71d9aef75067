"""The browser for pictures and tests of pages."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def unavailable() -> str | None:
    """Why no browser can run here; None: one can."""
    return None if CHROMIUM else "there is no chromium: apt-get install chromium"
