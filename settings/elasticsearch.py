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
        description="where Elasticsearch is, `https://host:9200`, several separated by commas; not set: off",
    )
    api_key: SecretStr | None = Field(None, alias="ELASTICSEARCH_API_KEY", description="an API key, as Kibana shows it")
    username: str | None = Field(None, alias="ELASTICSEARCH_USERNAME", description="user, without an API key")
    password: SecretStr | None = Field(None, alias="ELASTICSEARCH_PASSWORD", description="and password")
    ca_certs: Authority | None = Field(
        None, alias="ELASTICSEARCH_CA_CERTS", description="file of the authority, for TLS"
    )
    index: IndexName = Field(
        "ratings-enriched",
        alias="ELASTICSEARCH_INDEX",
        description="enriched ratings go to it; `%Y`, `%m`, `%d` and `%H` stand for the date of the rating, in UTC",
    )
    alerts_index: IndexName = Field(
        "unhappy-platinum-customers", alias="ELASTICSEARCH_ALERTS_INDEX", description="alerts go to it, likewise"
    )
    ratings_index: IndexName | None = Field(
        None, alias="ELASTICSEARCH_RATINGS_INDEX", description="ratings as they were read go to it; not set: nowhere"
    )
    target: Literal["index", "data-stream"] = Field(
        "index",
        alias="ELASTICSEARCH_TARGET",
        description="`index` writes to an index or alias, where a rating that comes again replaces itself; "
        "`data-stream` appends, where one that comes again after a rollover is there twice",
    )
    versioned: bool = Field(
        False,
        alias="ELASTICSEARCH_VERSIONED",
        description="`true` makes its rating's offset a document's external version: an older one never replaces it",
    )
    lifecycle: str | None = Field(
        None, alias="ELASTICSEARCH_LIFECYCLE_POLICY", description="ILM policy that the index template names"
    )
    max_buffer_bytes: int = Field(
        64 << 20,
        alias="ELASTICSEARCH_MAX_BUFFER_BYTES",
        ge=1 << 16,
        description="waiting documents in bytes, compressed after a second; above it the job is held back",
    )
    concurrency: int = Field(2, alias="ELASTICSEARCH_CONCURRENCY", ge=1, le=16, description="bulk requests in flight")
    bulk_bytes: int = Field(
        5 << 20, alias="ELASTICSEARCH_BULK_BYTES", ge=1, le=100 << 20, description="size of a bulk request"
    )
    bulk_seconds: float = Field(
        1, alias="ELASTICSEARCH_BULK_SECONDS", gt=0, le=60, description="a smaller one is sent after so many seconds"
    )
    gzip: bool = Field(False, alias="ELASTICSEARCH_GZIP", description="`true` compresses requests")
    max_retries: int | None = Field(
        None,
        alias="ELASTICSEARCH_MAX_RETRIES",
        ge=0,
        description="a document is sent again so often, and is a dead letter then; not set: without end",
    )

    @property
    def indices(self) -> dict[str, str]:
        """The names of the indices that are written, by their variables."""
        fields = ("index", "alerts_index", "ratings_index")
        return {str(type(self).model_fields[field].alias): name for field in fields if (name := getattr(self, field))}

    @model_validator(mode="after")
    def _are_different(self) -> "Search":
        variables, names = list(self.indices), list(self.indices.values())
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
