"""Write the dashboard for Kibana's import: ``python -m web.kibana FILE``. The indices are those of the settings."""

import argparse
import json
import sys
from pathlib import Path

from settings import Settings, SettingsError
from web.kibana.ratings import saved_objects

FILE = Path(__file__).with_name("ratings.ndjson")


def main() -> int:
    """Run the command line; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m web.kibana", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=FILE, help="by default %(default)s")
    options = parser.parse_args()
    try:
        objects = saved_objects(Settings.load().search)
        options.file.write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    except (SettingsError, OSError) as error:
        print(f"kibana: {error}", file=sys.stderr)
        return 1
    print(f"{options.file}: {len(objects)} saved objects")
    return 0


if __name__ == "__main__":
    sys.exit(main())
