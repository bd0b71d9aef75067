"""Index templates and component templates: what a new index gets by its name."""

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from servers.embedded.elasticsearch.errors import Refused, illegal_argument, invalid_request
from servers.embedded.elasticsearch.fields import bad_mapping
from servers.embedded.elasticsearch.mapping import Mapping, merged
from servers.embedded.elasticsearch.settings import flat_settings, nested_settings

Json = dict[str, Any]

_PARTS = {"settings", "mappings", "aliases"}
_INDEX_TEMPLATE = {"index_patterns", "template", "composed_of", "priority", "version", "_meta"}
_COMPONENT_TEMPLATE = {"template", "version", "_meta"}


class Templates:
    """The templates of a cluster by their names: ``index`` and ``component``."""

    def __init__(self) -> None:
        self.index: dict[str, Json] = {}
        self.component: dict[str, Json] = {}

    def put_component(self, name: str, body: Json) -> None:
        """Keep a component template; Refused where it cannot be."""
        self.component[name] = {**body, "template": _template("component_template", body, _COMPONENT_TEMPLATE)}

    def put_index(self, name: str, body: Json, *, create: bool = False) -> None:
        """Keep an index template; Refused where it cannot be, or is there already, for ``create``."""
        if create and name in self.index:
            raise illegal_argument(f"index template [{name}] already exists")
        patterns = body.get("index_patterns")
        if patterns is None:
            raise illegal_argument("Required [index_patterns]")
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if not patterns:
            raise illegal_argument("There must be at least one pattern, zero given")
        if body.get("priority", 0) < 0:
            raise invalid_request("index template priority must be >= 0")
        template = _template("index_template", body, _INDEX_TEMPLATE)
        composed_of = body.get("composed_of", [])
        if missing := [part for part in composed_of if part not in self.component]:
            cause = f"index template [{name}] specifies component templates {missing} that do not exist"
            reason = f"index_template [{name}] invalid, cause [{cause}]".replace("'", "")
            raise Refused(400, "invalid_index_template_exception", reason)
        self._refuse_rival(name, patterns, body.get("priority", 0))
        kept = {**body, "index_patterns": patterns, "template": template, "composed_of": composed_of}
        try:
            Mapping(self._composed(kept)["mappings"])
        except Refused as error:
            reason = f"composable template [{name}] template after composition is invalid"
            raise Refused(400, "illegal_argument_exception", reason, cause=error) from error
        self.index[name] = kept

    def of(self, index: str) -> Json:
        """Settings, mappings and aliases for a new index: of the matching template with the highest priority."""
        matching = [one for one in self.index.values() if any(fnmatchcase(index, p) for p in one["index_patterns"])]
        return self._composed(max(matching, key=lambda one: one.get("priority", 0), default={}))

    def _composed(self, template: Json) -> Json:
        parts = [self.component[name]["template"] for name in template.get("composed_of", ())]
        composed: Json = {"settings": {}, "mappings": {}, "aliases": {}}
        for part in [*parts, template.get("template", {})]:
            composed = stacked(composed, part)
        return composed

    def _refuse_rival(self, name: str, patterns: list[str], priority: int) -> None:
        for other, rival in self.index.items():
            same = other != name and rival.get("priority", 0) == priority
            if same and any(_overlap(one, two) for one in patterns for two in rival["index_patterns"]):
                raise illegal_argument(
                    f"index template [{name}] has index patterns {patterns} matching patterns from existing templates "
                    f"[{other}] with patterns ({other} => {rival['index_patterns']}) that have the same priority "
                    f"[{priority}], multiple index templates may not match during index creation, please use a "
                    "different priority".replace("'", "")
                )


def stacked(below: Json, above: Json) -> Json:
    """Put the settings, mappings and aliases of one above those of another."""
    return {
        "settings": {**below["settings"], **flat_settings(above.get("settings") or {})},
        "mappings": merged(below["mappings"], above.get("mappings") or {}),
        "aliases": {**below["aliases"], **(above.get("aliases") or {})},
    }


def _template(what: str, body: Json, known: set[str]) -> Json:
    template: Json = body.get("template") or {}
    for name in [*(body.keys() - known), *(template.keys() - _PARTS)]:
        raise Refused(400, "x_content_parse_exception", f"[1:1] [{what}] unknown field [{name}]")
    if not isinstance(template.get("mappings", {}), dict):
        raise bad_mapping("a mapping is an object")
    if "settings" in template:
        template = {**template, "settings": nested_settings(flat_settings(template["settings"]))}
    return template


@lru_cache(1024)
def _overlap(one: str, two: str) -> bool:
    """Whether a name could match both patterns."""
    if not one or not two:
        return not (one or two).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], two) or _overlap(one, two[1:])
    if two[0] == "*":
        return _overlap(two, one)
    return one[0] == two[0] and _overlap(one[1:], two[1:])
