"""Kinds of values that several components have."""

import os
import ssl
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _addresses(text: str) -> str:
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    if not addresses or not all(is_address(address) for address in addresses):
        raise ValueError("must be `http://` or `https://` and a host, several addresses separated by commas")
    return text


def _hosts(addresses: list[str]) -> list[str]:
    if not all(is_address(address) and urlsplit(address).port for address in addresses):
        raise ValueError("must be `https://host:9200`, several separated by commas")
    return addresses


def is_address(text: str) -> bool:
    """Whether it is `http://` or `https://` and a host."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        return False


def _authority(file: str) -> str:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = "it is not PEM" if isinstance(error, ssl.SSLError) else os.strerror(error.errno or 0)
        raise ValueError(f"must be a file of certificates in PEM form: {why}") from None
    return file


Words = Annotated[list[str], BeforeValidator(_words)]
Addresses = Annotated[str, AfterValidator(_addresses)]
Hosts = Annotated[Words, AfterValidator(_hosts)]
Authority = Annotated[str, AfterValidator(_authority)]
