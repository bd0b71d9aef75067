"""compose.yaml: by Docker Compose's own library, by what the processes read, and by what the tests run."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import bytewax.run
import pytest
import yaml

from servers.debezium import connector
from servers.go import VERSITYGW
from servers.mariadb import DATABASE, SEED
from servers.process import ROOT
from settings import Settings
from settings.settings import COMPONENTS
from tests.compose import FILE, Refused, Service, ours, project, secret_files, services, waited_for
from tests.image import Image

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("compose_loads_here")]

HOST = re.compile(r"\b([a-z][a-z0-9-]*):\d{4,5}\b")


# -- The file


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("read_only: true", "read_onyl: true", "read_onyl"),
        ("healthcheck: *ready", "healthchek: *ready", "healthchek"),
        ("retries: 6", "retrys: 6", "retrys"),
        ("store: {condition", "stores: {condition", "stores"),
        ("condition: service_healthy", "condition: service_helthy", "condition"),
        ("volumes: [recovery:/recovery]", "volumes: [recover:/recovery]", "recover"),
        ("secrets: [page_token]", "secrets: [page_tokens]", "page_tokens"),
        ("mem_limit: 512m", "mem_limit: much", "size"),
        ("127.0.0.1:8081:8081", "127.0.0.1:8081:80810", "80810"),
    ],
)
def test_a_mistake_is_found_by_its_name(tmp_path: Path, right: str, wrong: str, named: str) -> None:
    text = FILE.read_text()
    assert right in text
    copy = tmp_path / FILE.name
    copy.write_text(text.replace(right, wrong, 1))
    with pytest.raises(Refused, match=named):
        project(copy)


def test_services_wait_for_health_or_for_an_end() -> None:
    ending = waited_for("service_completed_successfully")
    assert waited_for("service_started") == set()
    for name, service in services().items():
        check = service.get("healthcheck", {})
        if name in ending:
            assert service.get("restart", "no") == "no", name
            assert "build" not in service or check["disable"], name
        else:
            assert check["test"][0] == "CMD", name
            assert service["restart"] == "on-failure", name
    assert waited_for("service_healthy").isdisjoint(ending)
    assert "sleep" not in FILE.read_text()


def test_ports_are_of_this_machine_alone() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for port in ports}) == len(ports)


def test_every_service_has_an_image_of_one_version_and_a_limit() -> None:
    for name, service in services().items():
        assert re.search(r":v?\d+(\.\d+){2}(\.Final)?$", service["image"]), name
        assert int(service["mem_limit"]) <= 1536 << 20, name


def test_the_page_tells_how_much_memory_it_may_take() -> None:
    total = sum(int(service["mem_limit"]) for service in services().values()) / (1 << 30)
    assert f"add up to {total:g} GiB" in (ROOT / "docs" / "compose.md").read_text()


def test_servers_have_the_versions_that_the_tests_run() -> None:
    def of_maven(pom: Path, artifact: str) -> str:
        (version,) = set(re.findall(rf"<artifactId>{artifact}</artifactId><version>([^<]+)<", pom.read_text()))
        return str(version)

    images = {name: service["image"].rpartition(":")[2] for name, service in services().items()}
    maven = ROOT / "servers" / "pom.xml"
    assert images["kafka"] == images["topics"] == of_maven(maven, "kafka_2.13")
    assert images["connect"] == of_maven(maven, "debezium-connector-mariadb")
    assert images["registry"] == of_maven(maven, "apicurio-registry-app")
    assert images["s3"] == VERSITYGW.version
    assert images["kibana"] == images["elasticsearch"]
    assert images["elasticsearch"] in (ROOT / "servers" / "elasticsearch" / "pom.xml").read_text()


def test_what_is_mounted_is_there() -> None:
    mounted = [volume for service in services().values() for volume in service.get("volumes", [])]
    files = [volume["source"] for volume in mounted if volume["type"] == "bind"]
    assert [file for file in [*files, *secret_files().values()] if not Path(file).exists()] == []
    assert all(volume["read_only"] for volume in mounted if volume["type"] == "bind")
    assert {volume["source"] for volume in mounted if volume["type"] == "volume"} == project()["volumes"].keys()


# -- The processes of this project


def test_they_have_no_rights(image: Image) -> None:
    assert len(ours()) == 9
    assert image.user == "10001"
    for name, service in ours().items():
        assert "user" not in service, name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_their_image_is_that_of_the_project(image: Image) -> None:
    version = image.labels["org.opencontainers.image.version"]
    assert {service["image"] for service in ours().values()} == {f"ratings-enrichment:{version}"}
    assert {service["build"]["context"] for service in ours().values()} == {str(ROOT)}


def is_known(variable: str) -> bool:
    """Whether a process of the image reads a variable."""
    known = {str(field.alias) for component in COMPONENTS.values() for field in component.model_fields.values()}
    others = {"AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    scripts = inspect.getsource(bytewax.run) + (ROOT / "entrypoint-recovery.sh").read_text()
    name = variable.removesuffix("_FILE")
    return name in known | others or (name.startswith("BYTEWAX_") and name in scripts)


def test_they_take_their_settings() -> None:
    for name, service in ours().items():
        variables = {variable: secret_files().get(value, value) for variable, value in environment(service).items()}
        assert [variable for variable in variables if not is_known(variable)] == [], name
        assert Settings.load(variables).strangers == [], name


def environment(service: Service) -> dict[str, str]:
    return dict(service.get("environment", {}))


def test_a_misspelt_setting_would_be_found() -> None:
    assert not is_known("RATINGS_TOPICS")
    assert not is_known("BYTEWAX_RECOVERY_PARTITIONS")


def test_they_are_given_the_secrets_that_they_read() -> None:
    for name, service in ours().items():
        read = {value for value in environment(service).values() if value.startswith("/run/secrets/")}
        assert read == {secret["target"] for secret in service.get("secrets", [])}, name


def test_addresses_are_those_of_services() -> None:
    told = [FILE.read_text(), *(path.read_text() for path in (ROOT / "compose").rglob("*") if path.is_file())]
    named = {host for text in told for host in HOST.findall(text)}
    assert {"kafka", "flow-0", "flow-1", "elasticsearch", "s3", "registry"} <= named
    assert named - services().keys() - {"localhost"} == set()


# -- The files beside it


def test_the_customers_are_those_of_the_tests() -> None:
    # MariaDB's image runs the files in the order of their names there.
    mounts = [mount for mount in services()["mariadb"]["volumes"] if mount["target"].endswith(".sql")]
    files = [Path(mount["source"]) for mount in sorted(mounts, key=lambda mount: str(mount["target"]))]
    written = "".join(re.sub("--.*\n", "", file.read_text()) for file in files)
    expected = DATABASE + SEED + ";\n"
    assert written.split() == re.sub(r"\), \(", "), (", expected).replace("),(", "), (").split()


def test_the_connector_is_that_of_the_tests() -> None:
    config: dict[str, Any] = json.loads((ROOT / "compose" / "customers.json").read_text())
    form = connector(
        "envelope-avro",
        prefix="asgard",
        mariadb_port=3306,
        kafka="kafka:9092",
        registry_url=environment(ours()["flow-0"])["SCHEMA_REGISTRY_URL"],
    )
    assert config == {**form, "database.hostname": "mariadb"}


def test_prometheus_looks_at_every_process_with_metrics() -> None:
    config = yaml.safe_load((ROOT / "compose" / "prometheus.yaml").read_text())
    targets = {
        target for job in config["scrape_configs"] for place in job["static_configs"] for target in place["targets"]
    }
    assert targets == {"flow-0:3031", "flow-1:3031", "notifier:3031", "intake:8080", "page:8081"}
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    secrets = {secret["target"] for secret in services()["prometheus"]["secrets"]}
    tokens = {name: job["authorization"]["credentials_file"] for name, job in jobs.items() if "authorization" in job}
    assert tokens == {name: f"/run/secrets/{name}_token" for name in ("intake", "page")}
    assert {*tokens.values()} <= {f"/run/secrets/{secret.removeprefix('/run/secrets/')}" for secret in secrets}
