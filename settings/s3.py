"""The archive branch."""

from typing import Literal

from pydantic import Field, model_validator

from settings.component import Component


class Archive(Component):
    """The archive branch: enriched ratings in objects of S3. Credentials and endpoint by the variables of AWS."""

    bucket: str | None = Field(
        None,
        alias="S3_BUCKET",
        pattern=r"^([A-Za-z0-9._-]{3,255}|arn:\S+)$",
        description="the bucket; not set: the branch is off",
    )
    prefix: str = Field("ratings", alias="S3_PREFIX", max_length=512, description="what keys begin with")
    region: str | None = Field(
        None,
        alias="S3_REGION",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        description="the bucket's region; not set: AWS_REGION and the like",
    )
    key: str = Field(
        "{prefix}/dt={year}-{month}-{day}/hr={hour}/{lane}-{sequence}.{ext}",
        alias="S3_KEY",
        description="template of keys: beside these names also fields of the record, as in `club={club_status}`; "
        "times are those of the rating, in UTC",
    )
    format: Literal["parquet", "jsonl"] = Field(
        "parquet", alias="S3_FORMAT", description="Parquet (zstd), or JSON lines (gzip)"
    )
    roll_bytes: int = Field(
        64 << 20, alias="S3_ROLL_BYTES", ge=1, le=1 << 40, description="an object is closed with so many bytes"
    )
    roll_rows: int = Field(10_000_000, alias="S3_ROLL_ROWS", ge=1, description="or so many rows")
    roll_seconds: float = Field(
        300, alias="S3_ROLL_SECONDS", ge=1, description="or so many seconds after its first row, without new rows, too"
    )
    max_open_objects: int = Field(
        16, alias="S3_MAX_OPEN_OBJECTS", ge=1, le=1000, description="of a worker; the one that waited longest is closed"
    )
    max_buffer_bytes: int = Field(
        128 << 20,
        alias="S3_MAX_BUFFER_BYTES",
        ge=1 << 20,
        description="bytes that wait for S3; above it the flow is held back",
    )
    concurrency: int = Field(4, alias="S3_CONCURRENCY", ge=1, le=64, description="requests at a time")
    addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", alias="S3_ADDRESSING", description="`path` for servers that do not know buckets as host names"
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, alias="S3_ENCRYPTION", description="server-side encryption of objects"
    )
    kms_key: str | None = Field(None, alias="S3_KMS_KEY_ID", description="the key of it")
    storage_class: str | None = Field(
        None, alias="S3_STORAGE_CLASS", pattern=r"^[A-Z0-9_]+$", description="such as `STANDARD_IA`"
    )
    tags: str | None = Field(
        None,
        alias="S3_TAGS",
        pattern=r"^[^=&\s]+=[^=&\s]*(&[^=&\s]+=[^=&\s]*){0,9}$",
        description="of objects, such as `team=flights&cost=7`",
    )

    @model_validator(mode="after")
    def _has_use_of_its_key(self) -> "Archive":
        if self.kms_key and not (self.encryption or "").startswith("aws:kms"):
            raise ValueError("S3_KMS_KEY_ID is set, but S3_ENCRYPTION is not aws:kms or aws:kms:dsse")
        return self
