"""The OpenAPI document of the intake, made from its record, its answers and its settings; and its page for people."""

import json
from html import escape
from typing import Any

import msgspec

from records.rating import FIELDS, Rating
from settings import Intake
from web.intake.answers import KINDS, Accepted, Refused

EXAMPLE = {
    "rating_id": 1,
    "user_id": 7,
    "stars": 2,
    "route_id": 2777,
    "rating_time": 1528800546808,
    "channel": "web",
    "message": "worst. flight. ever. #neveragain",
}

Document = dict[str, Any]


def document(settings: Intake) -> Document:
    """The OpenAPI document."""
    _, schemas = msgspec.json.schema_components([Rating, Accepted, Refused], ref_template="#/components/schemas/{name}")
    rating = schemas["Rating"]
    # Where a rating was read is not the client's to say, and the flow ignores other fields.
    rating["properties"] = {name: field for name, field in rating["properties"].items() if name in FIELDS}
    del rating["additionalProperties"]
    rating["description"], rating["example"] = "A rating of a flight.", EXAMPLE
    one = {"$ref": "#/components/schemas/Rating"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": settings.longest_list}
    guarded = settings.token is not None
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Intake of ratings",
            "version": "1",
            "description": "Writes ratings to Kafka, and answers once Kafka has acknowledged them.",
        },
        "paths": {
            "/ratings": {
                "post": {
                    "summary": "Write one rating, or a list of ratings.",
                    "description": "A list is written whole or, if a rating is refused, not at all. Send a request "
                    "again after 429, 503 or no answer: a rating may then be on the topic twice.",
                    "security": [{"token": []}] if guarded else [],
                    "requestBody": {"required": True, "content": _json({"oneOf": [one, many]})},
                    "responses": {"202": _answer("Kafka has all ratings", "Accepted"), **_refusals()},
                }
            },
            "/healthz": {
                "get": {
                    "summary": "Whether ratings can be written now.",
                    "responses": {
                        "200": {"description": "Kafka answers, and the topic exists"},
                        "503": _answer(KINDS["kafka_away"].meaning, "Refused"),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "summary": "The metrics of the process, for Prometheus.",
                    "security": [{"token": []}] if guarded else [],
                    "responses": {"200": {"description": "metrics as text"}},
                }
            },
        },
        "components": {
            "schemas": schemas,
            **({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if guarded else {}),
        },
    }


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "pre{background:#f3f3f3;padding:1em;overflow:auto}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}"
)


def page(settings: Intake) -> str:
    """The document as a page that needs no scripts, and nothing from elsewhere."""
    told = document(settings)
    info = told["info"]
    parts = [
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1><p>{escape(info['description'])}</p>"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a></p>'
    ]
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2>{method.upper()} {path}</h2><p>{escape(operation['summary'])}</p>")
            parts.append(f"<p>{escape(operation.get('description', ''))}</p>" if "description" in operation else "")
            answers = operation["responses"].items()
            rows = "".join(f"<tr><th>{code}</th><td>{escape(one['description'])}</td></tr>" for code, one in answers)
            parts.append(f"<table>{rows}</table>")
    for name, schema in told["components"]["schemas"].items():
        parts.append(f'<h2 id="{name}">{name}</h2><pre>{escape(json.dumps(schema, indent=2))}</pre>')
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>"
    )


def _refusals() -> Document:
    meanings: dict[int, list[str]] = {}
    for name, kind in KINDS.items():
        if kind.status not in {404, 405}:
            meanings.setdefault(kind.status, []).append(f"{name}: {kind.meaning}")
    return {str(status): _answer("; ".join(told), "Refused") for status, told in meanings.items()}


def _answer(description: str, schema: str) -> Document:
    return {"description": description, "content": _json({"$ref": f"#/components/schemas/{schema}"})}


def _json(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}
