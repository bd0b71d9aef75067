"""The archive branch."""

from typing import Literal

from pydantic import Field, model_validator

from settings.component import Component


class Archive(Component):
    """The archive branch: enriched ratings as objects in S3. boto3 finds credentials and endpoint itself."""

    bucket: str | None = Field(
        None,
        alias="S3_BUCKET",
        pattern=r"^([A-Za-z0-9._-]{3,255}|arn:\S+)$",
        description="bucket of the archive. Unset: the archive branch is off",
    )
    prefix: str = Field("ratings", alias="S3_PREFIX", max_length=512, description="value of `{prefix}` in `S3_KEY`")
    region: str | None = Field(
        None,
        alias="S3_REGION",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        description="region of the bucket. Unset: `AWS_REGION`, or what else boto3 finds",
    )
    key: str = Field(
        "{prefix}/dt={year}-{month}-{day}/hr={hour}/{lane}-{sequence}.{ext}",
        alias="S3_KEY",
        description="template of object keys; besides the names of the default it may name a field of the record, "
        "as in `club={club_status}`. Times are those of the rating, in UTC",
    )
    format: Literal["parquet", "jsonl"] = Field(
        "parquet", alias="S3_FORMAT", description="`parquet` (with zstd) or `jsonl`, JSON lines (with gzip)"
    )
    roll_bytes: int = Field(
        64 << 20, alias="S3_ROLL_BYTES", ge=1, le=1 << 40, description="bytes at which an object is closed"
    )
    roll_rows: int = Field(10_000_000, alias="S3_ROLL_ROWS", ge=1, description="rows at which an object is closed")
    roll_seconds: float = Field(
        300,
        alias="S3_ROLL_SECONDS",
        ge=1,
        description="seconds after its first row at which an object is closed, even if no more rows come",
    )
    max_open_objects: int = Field(
        16,
        alias="S3_MAX_OPEN_OBJECTS",
        ge=1,
        le=1000,
        description="most open objects of a worker; above it the object that has waited longest for a row is closed",
    )
    max_buffer_bytes: int = Field(
        128 << 20,
        alias="S3_MAX_BUFFER_BYTES",
        ge=1 << 20,
        description="bytes that may wait for S3; above it the job is held back",
    )
    concurrency: int = Field(4, alias="S3_CONCURRENCY", ge=1, le=64, description="requests to S3 at a time")
    addressing: Literal["auto", "path", "virtual"] = Field(
        "auto",
        alias="S3_ADDRESSING",
        description="bucket in the `path` of a URL, or in its host name (`virtual`); `auto` leaves it to boto3. "
        "Servers that have no host name for a bucket need `path`",
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None,
        alias="S3_ENCRYPTION",
        description="server-side encryption of objects: `AES256`, `aws:kms` or `aws:kms:dsse`",
    )
    kms_key: str | None = Field(
        None,
        alias="S3_KMS_KEY_ID",
        description="KMS key that encrypts objects, if `S3_ENCRYPTION` is `aws:kms` or `aws:kms:dsse`",
    )
    storage_class: str | None = Field(
        None,
        alias="S3_STORAGE_CLASS",
        pattern=r"^[A-Z0-9_]+$",
        description="storage class of objects, such as `STANDARD_IA`",
    )
    tags: str | None = Field(
        None,
        alias="S3_TAGS",
        pattern=r"^[^=&\s]+=[^=&\s]*(&[^=&\s]+=[^=&\s]*){0,9}$",
        description="tags of objects, such as `team=flights&cost=7`",
    )

    @model_validator(mode="after")
    def _has_use_of_its_key(self) -> "Archive":
        if self.kms_key and not (self.encryption or "").startswith("aws:kms"):
            raise ValueError("S3_KMS_KEY_ID is set, but S3_ENCRYPTION is not aws:kms or aws:kms:dsse")
        return self
