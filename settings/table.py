"""The table of all settings: ``python -m settings docs/settings.md`` writes it between the markers of that page."""

from settings.kafka import Kafka
from settings.settings import COMPONENTS

BEGIN, END = "<!-- settings: make docs -->", "<!-- settings end -->"


def markdown() -> str:
    """The table of all settings in Markdown."""
    lines = ["| variable | default | description |", "|---|---|---|"]
    for component in COMPONENTS.values():
        lines.append(f"| **{(component.__doc__ or '').strip()}** | | |")
        lines += [
            f"| `{field.alias}` | {_default(field.default)} | {field.description} |"
            for field in component.model_fields.values()
        ]
        if component is Kafka:
            lines.append(
                "| `KAFKA_...` | | any other property of librdkafka, in capitals, with `_` for `.`: "
                "`KAFKA_SECURITY_PROTOCOL=SASL_SSL`, `KAFKA_COMPRESSION_TYPE=zstd` (default lz4) |"
            )
    return "\n".join(lines)


def write_into(text: str) -> str:
    """The text with a fresh table between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown()}\n{END}{after}"


def _default(value: object) -> str:
    """A default as the table shows it, in code marks; empty without one."""
    shown = _shown(value)
    return f"`{shown}`" if shown else ""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, list) else "" if value is None else str(value)
