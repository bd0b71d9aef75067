"""A registry for each test that asks for one: the double, and where it can run the real one."""

from collections.abc import Iterator

import pytest

from servers.embedded.registry import RegistryDouble


@pytest.fixture
def double() -> Iterator[RegistryDouble]:
    with RegistryDouble() as double:
        yield double


@pytest.fixture(params=["double", "real"])
def registry_url(request: pytest.FixtureRequest) -> str:
    """The address of a registry with Confluent's API."""
    if request.param == "double":
        return str(request.getfixturevalue("double").url)
    return str(request.getfixturevalue("registry").url)
