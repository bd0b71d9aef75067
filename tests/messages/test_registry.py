"""The registry's four requests, on a real one and on the double; what a registry may answer, on the double."""

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from messages.registry import NoSchemaError, Registry, RegistryAwayError, RegistryRefusedError
from servers.embedded.registry import RegistryDouble
from servers.process import free_ports

Name = Callable[[str], str]


def schema(*fields: dict[str, Any]) -> str:
    return json.dumps(
        {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "a", "type": "long"}, *fields]}
    )


def test_a_schema_is_registered_once_and_found_by_its_id(registry_url: str, topics: Name) -> None:
    registry, subject = Registry(registry_url), f"{topics('a')}/b-value"
    registry.check()
    number = registry.register(subject, schema())
    assert registry.register(subject, schema()) == number
    found = registry.schema(number)
    assert (found.kind, json.loads(found.text), found.references) == ("AVRO", json.loads(schema()), ())


def test_the_subjects_of_a_schema_are_told(registry_url: str, topics: Name) -> None:
    registry, subject = Registry(registry_url), topics("subjects-value")
    own = schema({"name": topics("f").replace("-", "_"), "type": "int"})
    number = registry.register(subject, own)
    assert registry.schema(number).subjects == (subject,)


def test_an_unknown_id_is_no_schema(registry_url: str) -> None:
    with pytest.raises(NoSchemaError):
        Registry(registry_url).schema(2_000_000_000)


def test_an_incompatible_schema_is_refused_with_the_reason(registry_url: str, topics: Name) -> None:
    registry, subject = Registry(registry_url), topics("evolving-value")
    registry.register(subject, schema())
    _demand_backward_compatibility(registry_url, subject)
    registry.register(subject, schema({"name": "b", "type": "long", "default": 0}))
    with pytest.raises(RegistryRefusedError, match=r"(?i)incompatible"):
        registry.register(subject, schema({"name": "c", "type": "long"}))


def _demand_backward_compatibility(url: str, subject: str) -> None:
    """The real one demands nothing unless it is told to."""
    if "/apis/" in url:
        body = json.dumps({"compatibility": "BACKWARD"})
        headers = {"Content-Type": "application/json"}
        assert urllib3.request("PUT", f"{url}/config/{subject}", body=body, headers=headers).status == 200


def test_references_come_with_a_schema_each_after_its_own(double: RegistryDouble) -> None:
    registry = Registry(double.url)
    base = {"type": "record", "name": "Base", "fields": []}
    middle = {"type": "record", "name": "Middle", "fields": [{"name": "x", "type": "Base"}]}
    to_base = [{"name": "Base", "subject": "base", "version": 1}]
    double.answer("POST", ["subjects", "base", "versions"], {"schema": json.dumps(base)})
    double.answer("POST", ["subjects", "middle", "versions"], {"schema": json.dumps(middle), "references": to_base})
    both = [{"name": "Middle", "subject": "middle", "version": 1}, *to_base]
    _, answer = double.answer("POST", ["subjects", "top", "versions"], {"schema": schema(), "references": both})
    assert [json.loads(text)["name"] for text in registry.schema(answer["id"]).references] == ["Base", "Middle"]


def test_a_schema_is_found_by_its_guid(double: RegistryDouble) -> None:
    registry = Registry(double.url)
    number = registry.register("s-value", schema())
    assert json.loads(registry.schema(double.guid(number)).text) == json.loads(schema())
    with pytest.raises(NoSchemaError):
        registry.schema(uuid.uuid4())


def test_the_kind_of_a_schema_is_told(double: RegistryDouble) -> None:
    number = double.add("PROTOBUF", 'syntax = "proto3";')
    assert Registry(double.url).schema(number).kind == "PROTOBUF"


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_registry_in_trouble_is_away(double: RegistryDouble, status: int) -> None:
    double.failure = status
    with pytest.raises(RegistryAwayError, match="out of order"):
        Registry(double.url).schema(1)


def test_a_registry_that_does_not_listen_is_away_and_the_next_address_is_asked(double: RegistryDouble) -> None:
    (port,) = free_ports(1)
    nobody = f"http://127.0.0.1:{port}"
    with pytest.raises(RegistryAwayError, match=nobody):
        Registry(nobody).check()
    assert Registry(f"{nobody}, {double.url}/").register("s-value", schema()) == 1


def test_what_is_no_registry_is_away() -> None:
    with pytest.raises(RegistryAwayError, match=r"127\.0\.0\.1"):
        Registry("http://127.0.0.1:1").check()


@pytest.mark.parametrize("url", ["", "localhost:8081", "ftp://host", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Registry(url)


def test_a_password_is_sent_and_not_shown() -> None:
    with RegistryDouble(user="ada:s3cret:x") as double:
        assert Registry(double.url, "ada", "s3cret:x").register("s-value", schema()) == 1
        within = double.url.replace("//", "//ada:s3cret:x@")
        assert Registry(within).register("s-value", schema()) == 1
        assert "s3cret" not in str(Registry(within))
        with pytest.raises(RegistryRefusedError, match="who are you"):
            Registry(double.url, "ada", "wrong").check()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    file = tmp_path_factory.mktemp("tls") / "registry.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=registry"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def test_a_certificate_is_verified_by_its_authority(certificate: Path) -> None:
    with RegistryDouble(certificate=certificate) as double:
        assert Registry(double.url, ca=f"{certificate}.crt").register("s-value", schema()) == 1
        with pytest.raises(RegistryAwayError, match="CERTIFICATE_VERIFY_FAILED"):
            Registry(double.url).check()
