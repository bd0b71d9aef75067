"""Index templates: the mapping that a new index gets by its name."""

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from servers.embedded.elasticsearch.errors import Refused, illegal_argument, invalid_request, unknown
from servers.embedded.elasticsearch.mapping import Mapping

Json = dict[str, Any]

_KNOWN = {"index_patterns", "template", "priority", "version", "_meta"}


class Templates:
    """The index templates of a cluster."""

    def __init__(self) -> None:
        self.by_name: dict[str, Json] = {}

    def put(self, name: str, body: Json) -> None:
        """Keep a template.

        Raises:
            Refused: it has no patterns, unknown parts or a bad mapping; or another template of its priority matches
                some of the same names.
        """
        template = body.get("template") or {}
        if more := [*(body.keys() - _KNOWN), *(template.keys() - {"mappings", "settings"})]:
            raise unknown(f"{sorted(more)} of an index template")
        if template.get("settings"):
            raise unknown("an index template's settings")
        patterns = body.get("index_patterns") or []
        if not patterns or not isinstance(patterns, list):
            raise illegal_argument("There must be at least one pattern, zero given")
        if body.get("priority", 0) < 0:
            raise invalid_request("index template priority must be >= 0")
        try:
            Mapping(template.get("mappings", {}))
        except Refused as error:
            reason = f"composable template [{name}] template after composition is invalid"
            raise Refused(400, "illegal_argument_exception", reason, error) from error
        self._refuse_rival(name, patterns, body.get("priority", 0))
        self.by_name[name] = body

    def mappings(self, index: str) -> Json:
        """The mapping for a new index: that of the matching template with the highest priority."""
        matching = [one for one in self.by_name.values() if any(fnmatchcase(index, p) for p in one["index_patterns"])]
        best = max(matching, key=lambda one: one.get("priority", 0), default={})
        return best.get("template", {}).get("mappings", {})  # type: ignore[no-any-return]

    def _refuse_rival(self, name: str, patterns: list[str], priority: int) -> None:
        for other, rival in self.by_name.items():
            same = other != name and rival.get("priority", 0) == priority
            if same and any(_overlap(one, two) for one in patterns for two in rival["index_patterns"]):
                raise illegal_argument(
                    f"index template [{name}] has index patterns {patterns} matching patterns from existing templates "
                    f"[{other}] with patterns ({other} => {rival['index_patterns']}) that have the same priority "
                    f"[{priority}], multiple index templates may not match during index creation, please use a "
                    "different priority".replace("'", "")
                )


@lru_cache(1024)
def _overlap(one: str, two: str) -> bool:
    """Whether some name matches both patterns."""
    if not one or not two:
        return not (one or two).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], two) or _overlap(one, two[1:])
    if two[0] == "*":
        return _overlap(two, one)
    return one[0] == two[0] and _overlap(one[1:], two[1:])
