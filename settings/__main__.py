"""Writes the table of all settings into a file: ``python -m settings docs/settings.md``."""

import sys
from pathlib import Path

from settings.table import write_into

path = Path(sys.argv[1])
path.write_text(write_into(path.read_text()))
