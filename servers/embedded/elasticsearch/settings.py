"""The settings of indices and templates: by their full names, or one within the other. Any name is taken."""

from typing import Any

Json = dict[str, Any]


def flat_settings(settings: Json, prefix: str = "") -> dict[str, str]:
    """Settings by their full names without ``index.``, as texts."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat.update(flat_settings(value, f"{prefix}{name}."))
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            flat[f"{prefix}{name}".removeprefix("index.")] = text
    return flat


def nested_settings(settings: dict[str, str]) -> Json:
    """The same settings as the server shows them."""
    nested: Json = {}
    for name, value in settings.items():
        *above, last = name.split(".")
        inside = nested
        for part in above:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return {"index": nested}
