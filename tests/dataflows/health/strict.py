"""A stricter reading of Prometheus's text than that of its own parsers, which let identical series pass."""

import re
from collections import Counter
from itertools import groupby

_SAMPLE = re.compile(
    r'(?P<name>[a-zA-Z_:][\w:]*)(?P<labels>\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (?P<value>\S+)'
)
_PARTS = ("_bucket", "_sum", "_count")


def faults(page: str) -> list[str]:
    """What is wrong with a page of metrics, a line each."""
    found, series, families, types = list[str](), Counter[str](), list[str](), dict[str, str]()
    helps = Counter[str]()
    for line in page.splitlines():
        if line.startswith("# HELP "):
            helps[line.split(" ")[2]] += 1
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            found += [f"{name} has two types"] if name in types else []
            types[name] = kind
        elif match := _SAMPLE.fullmatch(line):
            float(match["value"])
            series[f"{match['name']}{match['labels'] or ''}"] += 1
            family = _family(match["name"], types)
            families.append(family)
            found += [] if family in types else [f"{match['name']} has no type before it"]
        else:
            found.append(f"no line of the format: {line!r}")
    found += [f"{name} comes {count} times" for name, count in series.items() if count > 1]
    found += [f"{name} is described {count} times" for name, count in helps.items() if count > 1]
    found += [f"{name} is not described" for name in types if name not in helps]
    runs = Counter(name for name, _ in groupby(families))
    found += [f"{name} is not in one piece" for name, count in runs.items() if count > 1]
    found += [f"{name} is no metric of the job" for name in types if name.endswith("_created")]
    return found


def _family(name: str, types: dict[str, str]) -> str:
    for part in _PARTS:
        whole = name.removesuffix(part)
        if whole != name and types.get(whole) == "histogram":
            return whole
    return name
