"""The search branch."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from records.index_names import LONGEST, IndexNames, rivals
from settings.component import Component
from settings.values import Authority, Hosts


def _fits(name: str) -> str:
    if any(len(shape) > LONGEST for shape in IndexNames(name).shapes()):
        raise ValueError(f"must give names of at most {LONGEST} characters")
    return name


# Elasticsearch's rules for names; date directives beside.
IndexName = Annotated[str, Field(pattern=r"^([a-z0-9]|%[YmdH])([a-z0-9._+-]|%[YmdH]){0,199}$"), AfterValidator(_fits)]


class Search(Component):
    """The search branch: ratings and alerts in Elasticsearch 8 or 9."""

    hosts: Hosts = Field(
        [],
        alias="ELASTICSEARCH_URL",
        description="address of Elasticsearch, `https://host:9200`; several are separated by commas. Unset: the "
        "search branch is off",
    )
    api_key: SecretStr | None = Field(
        None, alias="ELASTICSEARCH_API_KEY", description="API key for Elasticsearch, encoded as Kibana shows it"
    )
    username: str | None = Field(
        None, alias="ELASTICSEARCH_USERNAME", description="user name for Elasticsearch, if there is no API key"
    )
    password: SecretStr | None = Field(
        None, alias="ELASTICSEARCH_PASSWORD", description="password of the Elasticsearch user"
    )
    ca_certs: Authority | None = Field(
        None,
        alias="ELASTICSEARCH_CA_CERTS",
        description="PEM file of the certificate authority that signed Elasticsearch's certificate",
    )
    index: IndexName = Field(
        "ratings-enriched",
        alias="ELASTICSEARCH_INDEX",
        description="index of enriched ratings; `%Y`, `%m`, `%d` and `%H` stand for the UTC date of the rating",
    )
    alerts_index: IndexName = Field(
        "unhappy-platinum-customers",
        alias="ELASTICSEARCH_ALERTS_INDEX",
        description="index of alerts; `%Y`, `%m`, `%d` and `%H` stand for the UTC date of the rating",
    )
    ratings_index: IndexName | None = Field(
        None,
        alias="ELASTICSEARCH_RATINGS_INDEX",
        description="index of ratings without their customer; `%Y`, `%m`, `%d` and `%H` stand for the UTC date of "
        "the rating. Unset: they are not indexed",
    )
    statistics_index: IndexName = Field(
        "ratings-statistics",
        alias="ELASTICSEARCH_STATISTICS_INDEX",
        description="index of statistics, if `STATISTICS_TOPIC` is set; `%Y`, `%m`, `%d` and `%H` stand for the UTC "
        "date of the window. With `ELASTICSEARCH_TARGET=data-stream` they are not indexed",
    )
    target: Literal["index", "data-stream"] = Field(
        "index",
        alias="ELASTICSEARCH_TARGET",
        description="`index` writes to an index or alias, where a repeated rating replaces its document; "
        "`data-stream` appends, and a rating repeated after a rollover is there twice",
    )
    versioned: bool = Field(
        False,
        alias="ELASTICSEARCH_VERSIONED",
        description="`true` makes the offset of the rating the external version of its document, so that an older "
        "document never replaces a newer one",
    )
    lifecycle: str | None = Field(
        None, alias="ELASTICSEARCH_LIFECYCLE_POLICY", description="ILM policy that the index templates name"
    )
    max_buffer_bytes: int = Field(
        64 << 20,
        alias="ELASTICSEARCH_MAX_BUFFER_BYTES",
        ge=1 << 16,
        description="bytes of documents that may wait for Elasticsearch, compressed after a second; above it the "
        "job is held back",
    )
    concurrency: int = Field(
        2, alias="ELASTICSEARCH_CONCURRENCY", ge=1, le=16, description="bulk requests in flight at a time"
    )
    bulk_bytes: int = Field(
        5 << 20,
        alias="ELASTICSEARCH_BULK_BYTES",
        ge=1,
        le=100 << 20,
        description="bytes of documents at which a bulk request is sent",
    )
    bulk_seconds: float = Field(
        1,
        alias="ELASTICSEARCH_BULK_SECONDS",
        gt=0,
        le=60,
        description="seconds after which a bulk request is sent although it is smaller",
    )
    gzip: bool = Field(False, alias="ELASTICSEARCH_GZIP", description="`true` compresses requests to Elasticsearch")
    max_retries: int | None = Field(
        None,
        alias="ELASTICSEARCH_MAX_RETRIES",
        ge=0,
        description="retries per document before it becomes a dead letter. Unset: retry forever",
    )

    @property
    def indices(self) -> dict[str, str]:
        """The names of the indices of ratings and alerts, by their variables."""
        fields = ("index", "alerts_index", "ratings_index")
        return {str(type(self).model_fields[field].alias): name for field in fields if (name := getattr(self, field))}

    @property
    def updates(self) -> bool:
        """Whether a document can be written again: a data stream only appends."""
        return self.target == "index"

    @model_validator(mode="after")
    def _are_different(self) -> "Search":
        indices = {**self.indices, "ELASTICSEARCH_STATISTICS_INDEX": self.statistics_index}
        variables, names = list(indices), list(indices.values())
        found = rivals([IndexNames(name) for name in names], data_stream=self.target == "data-stream")
        if found:
            (one, name), (other, other_name) = sorted((variables[at], names[at]) for at in found)
            raise ValueError(
                f"{one} is {name!r} and {other} is {other_name!r}: they may name the same index, or match its name"
            )
        return self

    @model_validator(mode="after")
    def _are_versions_of_an_index(self) -> "Search":
        if self.versioned and self.target == "data-stream":
            raise ValueError("ELASTICSEARCH_VERSIONED is true, but a data stream takes no versions")
        return self
