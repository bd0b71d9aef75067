"""Write the dashboard for Grafana's import: ``python -m monitoring.grafana FILE``."""

import argparse
import sys
from pathlib import Path

from monitoring.grafana.objects import text
from monitoring.grafana.ratings import ROWS, TITLE

FILE = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboard.json"


def main() -> int:
    """Run the command line; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.grafana", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE, help="by default %(default)s")
    options = parser.parse_args()
    try:
        options.file.write_text(text(TITLE, ROWS))
    except OSError as error:
        print(f"grafana: {error}", file=sys.stderr)
        return 1
    print(f"{options.file}: {sum(len(row.panels) for row in ROWS)} panels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
