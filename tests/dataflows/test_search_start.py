"""How the search branch starts when there is no Elasticsearch at the address, or one that does not take us."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dataflows.wiring import elasticsearch as connection
from dataflows.wiring.errors import StartupError
from messages import dead_letter
from settings import Search, Settings, SettingsError
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Refused
from tests.sinks.answers import ELASTICSEARCH, Answer, Answers
from tests.sinks.test_elasticsearch import QUICK, Rejects

JSON = {"content-type": "application/json; charset=UTF-8"}
HTML = {"content-type": "text/html"}


def info(number: str, **more: str) -> bytes:
    version = {**more, "number": number, "build_type": "tar", "minimum_wire_compatibility_version": "7.10.0"}
    return json.dumps({"name": "n", "cluster_name": "c", "cluster_uuid": "u", "version": version}).encode()


def error(status: int, kind: str, reason: str) -> bytes:
    cause = {"type": kind, "reason": reason}
    return json.dumps({"error": {"root_cause": [cause], **cause}, "status": status}).encode()


OPENSEARCH: Answer = (200, JSON, info("2.11.0", distribution="opensearch"))
UNKNOWN_USER = error(401, "security_exception", "unable to authenticate user [elastic] for REST request [/]")
NO_RIGHT = error(403, "security_exception", "action [cluster:monitor/main] is unauthorized for user [u]")
MEDIA_TYPE = error(400, "media_type_header_exception", "Invalid media-type value on headers [Accept, Content-Type]")

NO_ELASTICSEARCH: dict[str, tuple[Answer, str]] = {
    "OpenSearch 2": (OPENSEARCH, "it is opensearch 2.11.0"),
    "OpenSearch that says 7.10": ((200, JSON, info("7.10.2", distribution="opensearch")), "it is opensearch 7.10.2"),
    "OpenSearch behind a proxy": ((200, ELASTICSEARCH, OPENSEARCH[2]), "it is opensearch 2.11.0"),
    "OpenSearch with security": ((401, {"content-type": "text/plain"}, b"Unauthorized"), "401 Unauthorized"),
    "Elasticsearch 7": ((200, ELASTICSEARCH, info("7.17.9", build_flavor="default")), "it is version 7.17.9"),
    "Elasticsearch 6": ((200, JSON, info("6.8.0", build_flavor="default")), "it is version 6.8.0"),
    "a web server": ((200, HTML, b"<!DOCTYPE html>\n<html>\n<h1>Welcome to nginx!</h1>"), "Welcome to nginx!"),
    "a web server without the page": ((404, HTML, b"<html><h1>404 Not Found</h1></html>"), "404 <html>"),
    "another API": ((200, JSON, b'{"status":"ok"}'), "{'status': 'ok'}"),
    "no JSON": ((200, JSON, b"<html>"), "there is no Elasticsearch there"),
    "an image": ((200, {"content-type": "image/png"}, b"\x89PNG"), "there is no Elasticsearch there"),
    "Kibana": ((302, {"location": "/spaces/enter", "kbn-name": "kibana"}, b""), "302, go to /spaces/enter"),
    "a login page": ((302, {"location": "https://login.example.org/?rd=x"}, b""), "go to https://login.example.org/"),
    "a TLS port of nginx": (
        (400, HTML, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"),
        "The plain HTTP request was sent to HTTPS port",
    ),
    "a media type it does not know": ((400, ELASTICSEARCH, MEDIA_TYPE), "400 media_type_header_exception"),
    "one that takes no JSON": ((406, JSON, b'{"error":"Content-Type header is not supported"}'), "406 Content-Type"),
    "an unknown user": ((401, ELASTICSEARCH, UNKNOWN_USER), "see ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME"),
    "no right": ((403, ELASTICSEARCH, NO_RIGHT), "ELASTICSEARCH_PASSWORD: 403 security_exception: action ["),
}

NOT_YET: dict[str, Answer] = {
    "a cluster without a master": (503, ELASTICSEARCH, error(503, "master_not_discovered_exception", "none")),
    "a proxy without a backend": (502, HTML, b"<html><h1>502 Bad Gateway</h1></html>"),
    "a busy one": (429, ELASTICSEARCH, error(429, "circuit_breaking_exception", "[parent] Data too large")),
    "a gateway that waited": (504, HTML, b"<html></html>"),
}


def connect(url: str, **more: Any) -> ElasticsearchSink:
    def no_dead_letters(refused: list[dead_letter.Refused]) -> None:
        raise AssertionError(f"documents were rejected: {refused}")

    sink = connection.connect(Search(hosts=[url], **more), no_dead_letters)
    assert sink
    return sink


def refusal(url: str, **more: Any) -> str:
    """The one line with which a start ends."""
    with pytest.raises(StartupError) as caught:
        connect(url, **more)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 600
    assert "hush-hush" not in line
    return line


@pytest.mark.parametrize("what", NO_ELASTICSEARCH)
def test_what_is_no_elasticsearch_ends_the_start_with_one_line(what: str) -> None:
    answer, says = NO_ELASTICSEARCH[what]
    with Answers(lambda _method, _path: answer) as server:
        line = refusal(f"http://me:hush-hush@{server.address}")
    assert says in line
    assert "ELASTICSEARCH_" in line
    assert server.address in line


@pytest.mark.parametrize("what", NOT_YET)
def test_what_may_be_there_later_is_waited_for(what: str, caplog: pytest.LogCaptureFixture) -> None:
    with Answers(lambda _method, _path: NOT_YET[what]) as server:
        connect(f"http://me:hush-hush@{server.address}")
        assert f"Elasticsearch at http://{server.address} is not there yet: {NOT_YET[what][0]} " in caplog.text
    assert "hush-hush" not in caplog.text


@pytest.mark.parametrize("how", ["nobody listens", "it hangs up", "it says nothing", "no such host"])
def test_what_does_not_answer_is_waited_for(
    how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "START_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if how == "it hangs up":
            server.close()
            with Answers(lambda _method, _path: 1 / 0) as broken:  # type: ignore[arg-type, return-value]
                connect(f"http://{broken.address}")
        elif how == "it says nothing":
            connect(f"http://127.0.0.1:{port}")
        else:
            server.close()
            connect(f"http://127.0.0.1:{port}" if how == "nobody listens" else "http://nowhere.invalid:9200")
    assert " is not there yet: " in caplog.text


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that makes a self-signed certificate with its key for a host's name."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(host: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.now(timezone.utc)
        address = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        path = folder / f"{host}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return path

    return make


@pytest.fixture
def tls(certificates: Callable[[str], Path]) -> Iterator[tuple[str, Path]]:
    """The address of an Elasticsearch with TLS, and the file of its certificate."""
    path = certificates("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with Answers(lambda _method, _path: (200, ELASTICSEARCH, info("8.18.8")), context) as server:
        yield server.address, path


def test_a_self_signed_certificate_names_the_setting(
    tls: tuple[str, Path], certificates: Callable[[str], Path]
) -> None:
    address, _ = tls
    for more in ({}, {"ca_certs": str(certificates("example.org"))}):
        line = refusal(f"https://{address}", **more)
        assert line.startswith(f"the certificate of https://{address} is not trusted, set ELASTICSEARCH_CA_CERTS to ")
        assert "CERTIFICATE_VERIFY_FAILED" in line


def test_a_certificate_of_the_authority_is_taken(tls: tuple[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    address, path = tls
    assert connect(f"https://{address}", ca_certs=str(path)).templates == (), "all of them are put"
    assert caplog.text == ""


def test_the_wrong_scheme_names_the_right_one(tls: tuple[str, Path]) -> None:
    address, _ = tls
    line = refusal(f"http://{address}")
    assert line.startswith(
        f"ELASTICSEARCH_URL is http://{address}, but it speaks TLS there: write https:// for http:// "
    )
    with Answers(lambda _method, _path: (200, ELASTICSEARCH, info("8.18.8"))) as server:
        line = refusal(f"https://{server.address}")
    assert line.startswith(f"ELASTICSEARCH_URL is https://{server.address}, but it does not speak TLS there: ")


def test_an_address_without_a_scheme_names_the_setting() -> None:
    with pytest.raises(
        SettingsError, match="ELASTICSEARCH_URL is 'localhost:9200', but it must be `https://host:9200`"
    ):
        Settings.load({"ELASTICSEARCH_URL": "localhost:9200"})


def test_what_turns_out_to_be_no_elasticsearch_later_stops_the_flow(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([NOT_YET["a cluster without a master"], OPENSEARCH])
    with Answers(lambda _method, _path: next(answers)) as server:
        sink = ElasticsearchSink(Cluster((f"http://{server.address}",)), Rejects(), sending=QUICK)
        lane = sink.build_part("step", "0000", None)
        lane.write_batch([[Document("i", "1", b"{}")]])
        with pytest.raises(Refused, match=r"it is opensearch 2\.11\.0"):
            lane.snapshot()
        lane.close()
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert "it is opensearch 2.11.0" in line
