"""For a cluster that gives the flow no right to put index templates: ``python -m dataflows.templates`` prints them.

They are those of the main job by its settings, for Kibana's console.
"""

import argparse

from dataflows.search import templates
from settings import Settings, SettingsError


def main() -> None:
    """Print the index templates."""
    parser = argparse.ArgumentParser(prog="python -m dataflows.templates", description=__doc__)
    parser.parse_args()
    try:
        settings = Settings.load()
    except SettingsError as error:
        raise SystemExit(f"templates: {error}") from None
    for template in templates(settings.search, statistics=settings.topics.statistics is not None):
        print(template, end="\n\n")


if __name__ == "__main__":
    main()
