"""For a cluster that gives the flow no right to put index templates: print them for who has it.

    python -m sinks.elasticsearch template

The templates are those of the main job by its settings, or of another module that has a function of that kind.
"""

import argparse
from importlib import import_module

parser = argparse.ArgumentParser(prog="python -m sinks.elasticsearch", description="Elasticsearch's index templates")
parser.add_argument("command", choices=["template"], help="print the index templates, for Kibana's console")
parser.add_argument("--of", default="dataflows.search:from_environment", metavar="MODULE:FUNCTION", help="%(default)s")
options = parser.parse_args()

module, _, function = options.of.partition(":")
for template in getattr(import_module(module), function)():
    print(template, end="\n\n")
