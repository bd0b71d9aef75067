"""``python -m servers.bucket NAME`` makes a bucket, unless there is one; its variables are those of boto3."""

import argparse
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def make(name: str) -> bool:
    """Make a bucket of ours; False if there is one.

    Raises:
        BotoCoreError: S3 does not answer.
        ClientError: S3 refuses, as where somebody else has a bucket of this name.
    """
    # Servers other than Amazon's have no host name for a bucket.
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    try:
        client.create_bucket(Bucket=name)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return False
    return True


def main() -> str | None:
    """Make the bucket of the command line; the reason why not ends the process with 1."""
    parser = argparse.ArgumentParser(prog="python -m servers.bucket", description=__doc__)
    parser.add_argument("name")
    name = parser.parse_args().name
    try:
        sys.stdout.write(f"the bucket {name} {'is made' if make(name) else 'was there'}\n")
    except (BotoCoreError, ClientError) as error:
        return f"no bucket {name}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
