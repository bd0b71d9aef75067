"""What the tests of the whole job share."""

from collections.abc import Iterator

import pytest

from tests.dataflows.world import Outputs, World


@pytest.fixture
def outputs(world: World) -> Iterator[Outputs]:
    outputs = Outputs(world)
    yield outputs
    outputs.close()
