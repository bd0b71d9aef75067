"""A schema registry in the process, for what the real one here cannot do: GUIDs, passwords, TLS, and trouble on demand.

``test_registry.py`` runs the same tests on both.
"""

import json
import ssl
import threading
import uuid
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from servers.process import Startable

Answer = tuple[int, Any]


class RegistryDouble(Startable):
    """Keeps subjects, versions and schemas in memory; a context serves it on a port of 127.0.0.1."""

    def __init__(self, user: str | None = None, certificate: Path | None = None) -> None:
        """``user`` is ``name:password``; ``certificate`` a PEM file with its key."""
        self.schemas: list[dict[str, Any]] = []
        self.subjects: dict[str, list[int]] = {}
        self.requests = 0
        self.failure: int | None = None
        """The status that every request is answered with, if any."""
        self._credentials = user and "Basic " + b64encode(user.encode()).decode()
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address; the same after it was stopped and started again."""
        return f"http{'s' if self._certificate else ''}://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Serve, in a thread."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Serve no longer; what it keeps stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def guid(self, schema_id: int) -> uuid.UUID:
        """The GUID of a schema."""
        return uuid.UUID(self.schemas[schema_id - 1]["guid"])

    def add(self, kind: str, text: str) -> int:
        """Keep a schema of any kind, under no subject; its id."""
        self.schemas.append({"schemaType": kind, "schema": text, "references": [], "guid": str(uuid.uuid4())})
        return len(self.schemas)

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> Answer:
        """Status and document for a request."""
        match method, path:
            case "GET", ["schemas", "types"]:
                return 200, ["AVRO"]
            case "GET", ["schemas", "ids", number] if 1 <= int(number) <= len(self.schemas):
                return 200, _shown(self.schemas[int(number) - 1])
            case "GET", ["schemas", "ids", number, "versions"]:
                return 200, [
                    {"subject": name, "version": ids.index(int(number)) + 1}
                    for name, ids in self.subjects.items()
                    if int(number) in ids
                ]
            case "GET", ["schemas", "guids", guid]:
                for schema in self.schemas:
                    if schema["guid"] == guid:
                        return 200, _shown(schema)
            case "GET", ["subjects", subject, "versions", version] if subject in self.subjects:
                found = self.subjects[subject][int(version) - 1]
                return 200, {"id": found, **_shown(self.schemas[found - 1])}
            case "POST", ["subjects", subject, "versions"]:
                return self._register(subject, body)
        return 404, {"error_code": 40403, "message": "not found"}

    def _register(self, subject: str, body: dict[str, Any]) -> Answer:
        text, references = body["schema"], body.get("references", [])
        ids = self.subjects.setdefault(subject, [])
        for number in ids:
            if self.schemas[number - 1]["schema"] == text:
                return 200, {"id": number}
        if ids and not _can_read(json.loads(text), json.loads(self.schemas[ids[-1] - 1]["schema"])):
            return 409, {"error_code": 409, "message": "incompatible with the latest schema"}
        for number, schema in enumerate(self.schemas, 1):
            if schema["schema"] == text:
                ids.append(number)
                return 200, {"id": number}
        number = self.add("AVRO", text)
        self.schemas[-1]["references"] = references
        ids.append(number)
        return 200, {"id": number}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve({})

            def do_POST(self) -> None:
                self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _serve(self, body: dict[str, Any]) -> None:
                double.requests += 1
                status, document = double.answer(self.command, self.path.strip("/").split("/"), body)
                if double.failure is not None:
                    status, document = double.failure, {"message": "out of order"}
                elif double._credentials and self.headers.get("Authorization") != double._credentials:
                    status, document = 401, {"message": "who are you?"}
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _shown(schema: dict[str, Any]) -> dict[str, Any]:
    shown = {"schema": schema["schema"], "guid": schema["guid"]}
    if schema["schemaType"] != "AVRO":  # of Avro, registries leave it out
        shown["schemaType"] = schema["schemaType"]
    return shown | ({"references": schema["references"]} if schema["references"] else {})


def _can_read(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether every field that the new schema adds has a default, and the others kept their types."""
    known = {field["name"]: field["type"] for field in old["fields"]}
    return all(known.get(field["name"], field["type"]) == field["type"] for field in new["fields"]) and all(
        "default" in field for field in new["fields"] if field["name"] not in known
    )
