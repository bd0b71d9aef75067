"""What of an environment is a setting, and what is not: each environment is a dictionary here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from settings import Settings, SettingsError

Environment = dict[str, str]

COMPONENTS = [component for component in vars(Settings.load({})).values() if isinstance(component, BaseModel)]
NAMES = [str(field.alias) for component in COMPONENTS for field in type(component).model_fields.values()]


def held(environ: Environment) -> dict[str, Any]:
    settings = Settings.load(environ)
    own = {name: value for name, value in vars(settings).items() if isinstance(value, BaseModel)}
    return {**own, "properties": settings.properties}


NOTHING = held({})


def links(service: str) -> Iterator[tuple[str, str]]:
    """The variables that Kubernetes makes of a service, in every pod of its namespace."""
    name = service.upper().replace("-", "_").replace(".", "_")
    yield f"{name}_SERVICE_HOST", "10.96.0.7"
    yield f"{name}_SERVICE_PORT", "9092"
    yield f"{name}_PORT", "tcp://10.96.0.7:9092"
    for port, word, protocol in ((9092, "http", "TCP"), (53, "file", "UDP"), (9, "url-file", "SCTP")):
        yield f"{name}_SERVICE_PORT_{word.upper().replace('-', '_')}", str(port)
        yield f"{name}_PORT_{port}_{protocol}", f"{protocol.lower()}://10.96.0.7:{port}"
        yield f"{name}_PORT_{port}_{protocol}_PROTO", protocol.lower()
        yield f"{name}_PORT_{port}_{protocol}_PORT", str(port)
        yield f"{name}_PORT_{port}_{protocol}_ADDR", "10.96.0.7"


SERVICES = [
    *("kafka", "kafka-headless", "kafka-0", "s3", "schema-registry", "elasticsearch", "elasticsearch-master", "log"),
    *("ratings", "customers", "alert", "alerts", "test", "output", "enriched", "dead-letters", "unmatched", "startup"),
    *(name.lower().replace("_", "-") for name in NAMES),
    *(f"{name.lower().replace('_', '-')}-file" for name in NAMES),
]


@pytest.mark.parametrize("service", SERVICES)
def test_what_kubernetes_makes_of_a_service_is_no_setting(service: str) -> None:
    environ = dict(links(service))
    assert held(environ) == NOTHING
    assert Settings.load(environ).strangers == []


TOOLS = {
    "shell": "USER LOGNAME HOME PATH PWD OLDPWD SHELL SHLVL TERM LANG LC_ALL MAIL EDITOR PAGER DISPLAY HOSTNAME HOST "
    "TZ TMPDIR TEMP COLUMNS LINES PS1 _ SSH_CLIENT SSH_TTY SUDO_USER XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS "
    "LS_COLORS http_proxy https_proxy no_proxy HTTP_PROXY NO_PROXY FORMAT LEVEL PREFIX KEY URL PASSWORD SECRET TOKEN",
    "conda": "PREFIX CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_EXE CONDA_SHLVL CONDA_PYTHON_EXE BUILD_PREFIX RECIPE_DIR "
    "SRC_DIR SUBDIR ARCH",
    "github": "CI GITHUB_ACTIONS GITHUB_TOKEN GITHUB_OUTPUT GITHUB_ENV GITHUB_REF GITHUB_API_URL GITHUB_SERVER_URL "
    "GITHUB_REPOSITORY GITHUB_EVENT_PATH RUNNER_OS RUNNER_TEMP RUNNER_TOOL_CACHE ACTIONS_RUNTIME_URL INPUT_TOKEN",
    "gitlab": "CI_JOB_TOKEN CI_COMMIT_SHA CI_PROJECT_URL CI_API_V4_URL CI_REGISTRY CI_REGISTRY_USER "
    "CI_REGISTRY_PASSWORD CI_REGISTRY_IMAGE CI_SERVER_URL GITLAB_CI GITLAB_USER_LOGIN GITLAB_USER_EMAIL CI_DEBUG_TRACE",
    "jenkins": "BUILD_ID BUILD_NUMBER BUILD_URL BUILD_TAG JOB_NAME JOB_URL NODE_NAME WORKSPACE JENKINS_URL "
    "JENKINS_HOME EXECUTOR_NUMBER GIT_URL GIT_COMMIT GIT_BRANCH CHANGE_ID CHANGE_URL STAGE_NAME",
    "circleci": "CIRCLECI CIRCLE_BRANCH CIRCLE_BUILD_NUM CIRCLE_BUILD_URL CIRCLE_REPOSITORY_URL CIRCLE_TOKEN "
    "CIRCLE_USERNAME CIRCLE_WORKING_DIRECTORY",
    "travis": "TRAVIS TRAVIS_BRANCH TRAVIS_BUILD_WEB_URL TRAVIS_TEST_RESULT TRAVIS_OS_NAME ARTIFACTS_BUCKET "
    "ARTIFACTS_KEY ARTIFACTS_REGION HAS_JOSH_K_SEAL_OF_APPROVAL",
    "azure": "TF_BUILD AGENT_ID AGENT_NAME BUILD_REASON BUILD_SOURCEBRANCH SYSTEM_TEAMPROJECT SYSTEM_COLLECTIONURI "
    "SYSTEM_ACCESSTOKEN ENDPOINT_URL_SYSTEMVSSCONNECTION AZURE_CLIENT_ID AZURE_STORAGE_KEY COMMON_TESTRESULTSDIRECTORY",
    "aws": "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE "
    "AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_FULL_URI "
    "AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME ECS_CONTAINER_METADATA_URI_V4 BUCKET REGION",
    "java": "JAVA_HOME JAVA_OPTS JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS MAVEN_OPTS MAVEN_HOME CLASSPATH LOG_DIR JMX_PORT "
    "KAFKA_HOME KAFKA_OPTS KAFKA_HEAP_OPTS KAFKA_JMX_OPTS KAFKA_LOG4J_OPTS KAFKA_GC_LOG_OPTS KAFKA_DEBUG KAFKA_VERSION "
    "KAFKA_JVM_PERFORMANCE_OPTS KAFKA_LOG_DIR SCHEMA_REGISTRY_OPTS SCHEMA_REGISTRY_HEAP_OPTS SCHEMA_REGISTRY_HOME "
    "SCHEMA_REGISTRY_LOG4J_OPTS ELASTICSEARCH_HOME ES_HOME ES_JAVA_OPTS CONFLUENT_HOME",
    "python": "PYTHONPATH PYTHONHOME PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHON_VERSION VIRTUAL_ENV PIP_INDEX_URL "
    "PIP_CACHE_DIR PYENV_ROOT PYENV_VERSION UV_INDEX_URL POETRY_HOME TOX_ENV_NAME PYTEST_CURRENT_TEST COVERAGE_FILE "
    "LC_CTYPE GPG_KEY PYTHON_PIP_VERSION PYTHON_SHA256 TEST_TMPDIR TEST_SRCDIR TEST_TARGET",
    "others": "LOG_FILE LOG_PATH OUTPUT_DIR OUTPUT_FILE DATABASE_URL REDIS_URL PORT NAMESPACE POD_NAME "
    "RUST_LOG NODE_ENV APP_LOG_LEVEL NPM_CONFIG_LOGLEVEL OTEL_EXPORTER_OTLP_ENDPOINT SENTRY_DSN RATINGS_PROCESSES "
    "BYTEWAX_RECOVERY_DIRECTORY BYTEWAX_POD_NAME MY_KAFKA_ACKS KAFKACTL_CONTEXT S3FS_ARGS LOGSTASH_URL DEBUG VERBOSE",
    "pydantic": "search archive kafka SEARCH__INDEX ARCHIVE__BUCKET TOPICS JOIN LOG FORMATS SEARCH ARCHIVE",
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("value", ["ada", "", "1", "https://host:9200", '{"bucket": "abc", "index": "i"}'])
def test_what_other_tools_export_is_no_setting(tool: str, value: str) -> None:
    environ = dict.fromkeys(TOOLS[tool].split(), value)
    assert held(environ) == NOTHING
    assert Settings.load(environ).strangers == []


@pytest.mark.parametrize("name", sorted({name for component in COMPONENTS for name in type(component).model_fields}))
@pytest.mark.parametrize("value", ["ada", "1", "https://host:9200"])
def test_the_name_of_a_field_is_no_setting(name: str, value: str) -> None:
    settings = {*NAMES, *(f"{setting}_FILE" for setting in NAMES)}
    for variable in {name, name.upper(), name.title(), f"{name}_file", f"{name.upper()}_FILE"} - settings:
        assert held({variable: value}) == NOTHING, variable


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_in_small_letters_is_none_and_is_told(name: str) -> None:
    assert held({name.lower(): "1"}) == NOTHING
    assert Settings.load({name.lower(): "1"}).strangers == [f"{name.lower()} is no setting: did you mean {name}?"]


def test_files_that_nobody_named_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".env", "env", ".env.local", "settings.toml", "pyproject.toml", "S3_BUCKET"):
        (tmp_path / name).write_text("S3_BUCKET=abc\nLOG_LEVEL=DEBUG\n")
    monkeypatch.chdir(tmp_path)
    assert held({}) == NOTHING


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("ELASTICSEARCH_URLS", "ELASTICSEARCH_URLS is no setting: did you mean ELASTICSEARCH_URL?"),
        ("ELASTICSEARCH_USER", "ELASTICSEARCH_USER is no setting: did you mean ELASTICSEARCH_USERNAME?"),
        ("ELASTICSEARCH_INDEXES", "ELASTICSEARCH_INDEXES is no setting: did you mean ELASTICSEARCH_INDEX?"),
        ("ELASTICSEARCH_TIMEOUT", "ELASTICSEARCH_TIMEOUT is no setting"),
        ("ELASTICSAERCH_URL", "ELASTICSAERCH_URL is no setting: did you mean ELASTICSEARCH_URL?"),
        ("S3_BUCKT", "S3_BUCKT is no setting: did you mean S3_BUCKET?"),
        ("S3_BUCKET_NAME", "S3_BUCKET_NAME is no setting: did you mean S3_BUCKET?"),
        ("S3_ENDPOINT", "S3_ENDPOINT is no setting"),
        ("S3_BUCKT_FILE", "S3_BUCKT_FILE is no setting: did you mean S3_BUCKET_FILE?"),
        ("SCHEMA_REGISTRY_USERNAME", "SCHEMA_REGISTRY_USERNAME is no setting: did you mean SCHEMA_REGISTRY_USER?"),
        ("SCHEMA_REGISTRY_URI", "SCHEMA_REGISTRY_URI is no setting: did you mean SCHEMA_REGISTRY_URL?"),
        ("ALERT_RULE", "ALERT_RULE is no setting: did you mean ALERT_RULES?"),
        ("ALERTS_RULES", "ALERTS_RULES is no setting: did you mean ALERT_RULES?"),
        ("ALERT_TOPIC", "ALERT_TOPIC is no setting: did you mean ALERTS_TOPIC?"),
        ("RATING_TOPIC", "RATING_TOPIC is no setting: did you mean RATINGS_TOPIC?"),
        ("DEAD_LETTER_TOPIC", "DEAD_LETTER_TOPIC is no setting: did you mean DEAD_LETTERS_TOPIC?"),
        ("UNMATCHED_GRACE", "UNMATCHED_GRACE is no setting: did you mean UNMATCHED_GRACE_SECONDS?"),
        ("STARTUP_TIMEOUT", "STARTUP_TIMEOUT is no setting: did you mean STARTUP_TIMEOUT_SECONDS?"),
        ("OUTPUT_FORMATS", "OUTPUT_FORMATS is no setting: did you mean OUTPUT_FORMAT?"),
        ("LOG_LEVELS", "LOG_LEVELS is no setting: did you mean LOG_LEVEL?"),
        ("Log_Level", "Log_Level is no setting: did you mean LOG_LEVEL?"),
        ("KAKFA_GROUP_ID", "KAKFA_GROUP_ID is no setting: did you mean KAFKA_GROUP_ID?"),
        ("kafka_group_id", "kafka_group_id is no setting: did you mean KAFKA_GROUP_ID?"),
    ],
)
def test_what_looks_like_a_setting_is_told(variable: str, line: str) -> None:
    assert Settings.load({variable: "hush-hush"}).strangers == [line]
    assert held({variable: "hush-hush"}) == NOTHING


def test_settings_and_their_files_are_not_told() -> None:
    text = {
        str(field.alias): field.default for component in COMPONENTS for field in type(component).model_fields.values()
    }
    usual = {name: str(value) for name, value in text.items() if isinstance(value, str | int | float)}
    environ = {**usual, **{f"{name}_FILE": "" for name in NAMES}, "KAFKA_ACKS": "all", "KAFKA_ACKS_FILE": ""}
    assert len(usual) > 20
    assert Settings.load(environ).strangers == []


def outcome(environ: Environment) -> object:
    try:
        return held(environ)
    except SettingsError as error:
        return str(error).rpartition(", but ")[2].removeprefix("it ").removeprefix("its content ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["1", "abc", "https://host:9200", "a b", ""])
def test_a_file_holds_what_the_variable_may_hold(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / "content"
    for ending in ("", "\n", "\r\n"):
        file.write_bytes(f"{text}{ending}".encode())
        assert outcome({f"{name}_FILE": str(file)}) == outcome({name: text})


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"hush", "hush"),
        (b"hush\n", "hush"),
        (b"hush\r\n", "hush"),
        (b"hush\n\n", "hush\n"),
        (b" hush ", " hush "),
        (b"\xef\xbb\xbfhush", "hush"),
        ("gehöime".encode(), "gehöime"),
        (b"", ""),
        (b"-----BEGIN-----\nMII\n-----END-----\n", "-----BEGIN-----\nMII\n-----END-----"),
    ],
)
def test_a_file_holds_a_property_of_librdkafka(tmp_path: Path, content: bytes, value: str) -> None:
    file = tmp_path / "content"
    file.write_bytes(content)
    properties = Settings.load({"KAFKA_SASL_PASSWORD_FILE": str(file)}).properties
    assert properties == {**NOTHING["properties"], "sasl.password": value}


def test_properties_that_are_files_of_their_own_stay_so() -> None:
    key = {"KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE": "/key.pem"}
    template = {"KAFKA_SASL_OAUTHBEARER_ASSERTION_JWT_TEMPLATE_FILE": "/jwt.json"}
    properties = Settings.load(key | template).properties
    assert properties["sasl.oauthbearer.assertion.private.key.file"] == "/key.pem"
    assert properties["sasl.oauthbearer.assertion.jwt.template.file"] == "/jwt.json"


@pytest.mark.parametrize("name", ["S3_BUCKET", "RATINGS_TOPIC", "KAFKA_GROUP_ID", "KAFKA_SASL_PASSWORD", "LOG_LEVEL"])
def test_which_counts_of_a_variable_and_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "content"
    file.write_text("INFO")
    by_file = {f"{name}_FILE": str(file)}
    assert held({**by_file, name: ""}) == held(by_file) == held({name: "INFO"})
    assert held({f"{name}_FILE": ""}) == NOTHING
    assert held({f"{name}_FILE": "", name: "INFO"}) == held({name: "INFO"})
    with pytest.raises(SettingsError, match=rf"^{name} and {name}_FILE are both set[^\n]*$"):
        Settings.load({**by_file, name: "INFO"})


@pytest.mark.parametrize("name", ["S3_BUCKET", "ELASTICSEARCH_PASSWORD", "ALERT_RULES", "KAFKA_SASL_PASSWORD"])
@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("{folder}/missing", "names {folder}/missing, but there is no such file"),
        ("{folder}", "names {folder}, but there is no such file"),
        ("{folder}/large", "names {folder}/large, but that file is larger than 1 MiB"),
        ("{folder}/latin", "names {folder}/latin, but that file is not UTF-8"),
        ("{folder}/" + "x" * 300, "names {folder}/" + "x" * 300 + ", but it cannot be read: File name too long"),
        ("/proc/self/mem", "names /proc/self/mem, but it cannot be read: Input/output error"),
        ("hush-hush", "names a file, but there is no such file"),  # somebody put the secret itself here
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str, path: str, line: str) -> None:
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "latin").write_bytes("geh\xf6im".encode("latin-1"))
    with pytest.raises(SettingsError) as caught:
        Settings.load({f"{name}_FILE": path.format(folder=tmp_path)})
    assert str(caught.value) == f"{name}_FILE {line.format(folder=tmp_path)}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_file_is_in_a_message(tmp_path: Path, name: str) -> None:
    file = tmp_path / "content"
    file.write_text("hush\x01hush")
    try:
        told = repr(Settings.load({f"{name}_FILE": str(file)}))
    except SettingsError as error:
        told = str(error)
        assert told.startswith(f"{name}_FILE ")
        assert "\n" not in told
    assert "hush" not in told


@pytest.mark.parametrize(
    ("by_file", "others", "line"),
    [
        ({"LOG_LEVEL": "loud"}, {}, "LOG_LEVEL_FILE names a file, but its content should be 'DEBUG', "),
        ({"OUTPUT_FORMAT": "avro"}, {}, "OUTPUT_FORMAT_FILE is 'avro', but SCHEMA_REGISTRY_URL is not set"),
        ({"ALERTS_TOPIC": "same"}, {"RATINGS_TOPIC": "same"}, "RATINGS_TOPIC and ALERTS_TOPIC_FILE are both 'same'"),
        ({"KAFKA_ENABLE_IDEMPOTENCE": "1"}, {}, "KAFKA_ENABLE_IDEMPOTENCE_FILE cannot be set: without it"),
        ({"KAFKA_CLIENT_ID": "a\0b"}, {}, "KAFKA_CLIENT_ID_FILE is not text"),
    ],
)
def test_a_message_names_the_variable_that_was_set(
    tmp_path: Path, by_file: Environment, others: Environment, line: str
) -> None:
    for name, content in by_file.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError) as caught:
        Settings.load({f"{name}_FILE": str(tmp_path / name) for name in by_file} | others)
    assert str(caught.value).startswith(line)
