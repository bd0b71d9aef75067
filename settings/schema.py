"""All settings as JSON Schema: ``python -m settings.schema FILE`` writes it into the definitions of that schema."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from settings import kafka
from settings.librdkafka import property_names
from settings.settings import COMPONENTS

Schema = dict[str, Any]

_SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|_KEY_PEM$|OAUTHBEARER_CONFIG$")
"""The properties of librdkafka that hold a secret."""
_SECRETS_OF_AWS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_DIGITS = r"^[0-9.]*$"


def definitions() -> dict[str, Schema]:
    """Two definitions of draft 7, each an object that has settings as its properties, and no others.

    Returns:
        ``settings`` has those that are not secret, with the values that they may have. ``anySetting`` has all, with any
        value.
    """
    known = [f"{kafka.PREFIX}{name.upper().replace('.', '_')}" for name in property_names() if kafka.may_be_set(name)]
    ours = {name: _value(schema) for component in COMPONENTS.values() for name, schema in _fields(component)}
    plain = {name: schema for name, schema in ours.items() if not schema.get("writeOnly")}
    properties = dict.fromkeys((name for name in known if name not in ours and not _SECRET.search(name)), True)
    return {
        "settings": {
            "type": "object",
            "properties": {**plain, **properties, **dict.fromkeys(_SECRETS_OF_AWS, False)},
            # boto3 reads these itself.
            "patternProperties": {"^AWS_[A-Z0-9_]+$": True},
            "additionalProperties": False,
        },
        "anySetting": {"properties": dict.fromkeys(sorted({*ours, *known}), True), "additionalProperties": False},
    }


def write_into(text: str) -> str:
    """The text of a JSON Schema with fresh definitions of the settings."""
    schema = json.loads(text)
    schema["definitions"] |= definitions()
    return json.dumps(schema, indent=2) + "\n"


def _fields(component: Any) -> list[tuple[str, Schema]]:
    return list(component.model_json_schema(by_alias=True)["properties"].items())


def _value(field: Schema) -> Schema:
    """A field of a component as a variable has it: text, or what is written without quotes in YAML."""
    (schema,) = [one for one in field.get("anyOf", [field]) if one["type"] != "null"]
    kept = {key: value for key, value in schema.items() if key not in {"default", "description", "title", "items"}}
    described = {"description": field["description"]}
    if schema["type"] == "array":
        return {**described, "type": "string"}
    if schema["type"] in {"integer", "number"}:
        return {**described, **kept, "type": [schema["type"], "string"], "pattern": _DIGITS}
    return {**described, **kept, "type": ["boolean", "string"] if schema["type"] == "boolean" else "string"}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(write_into(file.read_text()))
